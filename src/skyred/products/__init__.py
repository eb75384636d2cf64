"""What estimators return: tables, flux points, maps and values, with their files and pictures."""
