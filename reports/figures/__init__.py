"""Figures by query: made from the marts on demand, stored only if they are kept."""
