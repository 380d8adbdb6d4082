"""Factor sets, activities and public tables as files."""
