"""Emission factors and what is made of them."""
