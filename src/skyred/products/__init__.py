"""Products of estimators: tables, flux points, maps and values, with their files and plots."""
