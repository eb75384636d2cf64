"""Files: written whole or not at all, with sums that say what they should be."""
