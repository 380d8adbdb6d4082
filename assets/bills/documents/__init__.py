"""Bills, register reads and loads as files."""
