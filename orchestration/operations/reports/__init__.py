"""Commands about figures, reports and evidence."""
