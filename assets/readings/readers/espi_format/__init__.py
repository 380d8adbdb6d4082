"""Green Button."""
