"""Tests against real brokers, device servers and databases."""
