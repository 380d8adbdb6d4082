"""What is emitted, as data."""
