"""What was issued for hours to come, append-only, asked for as it was known at any time."""
