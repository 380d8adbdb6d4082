"""Baselines of plain usage: what is read, searched, chosen, fitted and said of it."""
