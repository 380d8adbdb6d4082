"""Drafts of a column map or a site file from a foreign table. Nothing here is ever applied."""
