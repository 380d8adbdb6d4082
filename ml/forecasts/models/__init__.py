"""Kinds of forecast models, one a file, all behind the protocol of forecast_model.py."""
