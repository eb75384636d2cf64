"""Estimators of fluxes as norms of a source: flux points, light curves, flux profiles, TS maps."""
