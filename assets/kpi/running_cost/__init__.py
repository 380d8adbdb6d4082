"""The running figures of a supply."""
