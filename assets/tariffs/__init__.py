"""Tariffs: which price holds at which quarter hour, and whether a tariff is complete."""
