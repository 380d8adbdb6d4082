"""Experiments whose arms are drawn beforehand: the draw, the test that may look early, and what an arm is worth."""
