"""The boards' widgets, one a file: `view(given) -> Widget`."""
