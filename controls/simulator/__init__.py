"""Seeded, pure physics of a plant and a home, the landing files they write, and the live simulated home."""
