"""Energy use and its drivers, one row an interval."""
