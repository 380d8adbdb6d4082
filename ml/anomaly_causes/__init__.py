"""Likely causes of anomaly events: features of an event, the learned model, and the evidence that decided."""
