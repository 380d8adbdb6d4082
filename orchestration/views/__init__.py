"""What stands of a project, as its stores and registries say it, for commands that print it."""
