"""Closed loops of the policies of plans and the simulated house that they cannot import."""
