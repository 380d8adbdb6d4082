"""What bills, reads and loads say that come as files."""
