"""The life of a forecast model."""
