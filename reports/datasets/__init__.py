"""Datasets of reports: each answers its measures as figures with a trace, and its facts in words."""
