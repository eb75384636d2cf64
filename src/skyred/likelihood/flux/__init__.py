"""Estimation of fluxes from fitted norms: flux points, light curves, flux profiles and TS maps."""
