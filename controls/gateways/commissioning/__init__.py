"""Commissioning of a device: which models it has, and whether it keeps its template.

Nothing here writes unless its caller says so.
"""
