"""A report from due to delivered."""
