"""Savings against a baseline and how sure they are."""
