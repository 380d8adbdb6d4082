"""Live readings on their way from a device to the lake."""
