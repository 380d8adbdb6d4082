"""Forecasts: models, uncertainty, the life of a model."""
