"""Views of a project over its stores and registries, for commands that print it."""
