"""What watches a run: progress, provenance and pictures."""
