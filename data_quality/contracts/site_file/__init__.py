"""What a site file says: meters, premises, measures."""
