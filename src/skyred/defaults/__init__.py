"""The default plugins, reached by entry points like anyone's."""
