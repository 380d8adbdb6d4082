"""Blocks of a site file: meters, premises, measures."""
