"""The default components, by role; they are loaded through entry points."""
