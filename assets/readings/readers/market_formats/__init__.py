"""Formats of energy markets: NEM12, NEM13, MSCONS."""
