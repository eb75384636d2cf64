"""The default components, by role, which are loaded through entry points."""
