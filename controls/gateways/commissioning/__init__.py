"""What an engineer asks of a device before it is trusted: which models it has, and whether it keeps its template.

Nothing here writes unless its caller says so.
"""
