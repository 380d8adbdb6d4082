"""Reports: typed content, traced figures, gates, and renderers that only format."""
