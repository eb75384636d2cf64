"""Inspection: input files looked at before they are used; knows astropy, and no gammapy."""
