"""Norms of sources: flux points, light curves, flux profiles and TS maps."""
