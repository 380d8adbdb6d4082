"""The warehouse and the marts that are published from it."""
