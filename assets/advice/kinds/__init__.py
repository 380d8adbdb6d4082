"""Kinds of recommendation, a module each with `find`; titles, costs and sentences stand in `kinds.yaml`."""
