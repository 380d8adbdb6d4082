"""The whole line, as a person would run it."""
