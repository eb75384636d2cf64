"""gammapy's makers, estimators and models as components, and skyred's makers in gammapy."""
