"""What comes live: kept before it is acknowledged."""
