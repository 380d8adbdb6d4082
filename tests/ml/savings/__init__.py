"""Savings against a baseline, their uncertainty, and changes of use."""
