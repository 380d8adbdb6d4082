"""Views of schema `boards`, which other programs may read: made over marts and store of one PostgreSQL."""
