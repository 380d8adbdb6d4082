"""Causes of anomaly events: seeded sites, features, the learned model."""
