"""Tests of the web process: who may ask what, what is refused, and how."""
