"""Inspection of input files before they are used, with astropy but without gammapy."""
