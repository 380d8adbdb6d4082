"""Workflows: definitions as YAML, what sets one off, and its steps, each done once."""
