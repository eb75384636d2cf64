"""Counts and IRFs on maps and spectra: gammapy's numbers, on plain arrays.

gammapy evaluates an IRF at every energy of every pixel. Here, an IRF is interpolated along its
other axes first, which gives a small table, and then in the offset (or the field-of-view
coordinates) of each pixel, with two (or four) weights per pixel. What depends only on the geometry
of the map is computed once for all runs.

`MapProjection` and `SpectrumProjection` are gammapy's makers with these methods; IRFs that the
methods do not support are projected by gammapy.
"""
