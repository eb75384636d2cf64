"""The default components, by role; reached by entry points like anyone's."""
