"""Programmes of the grid: the OpenADR 3 client, its objects, and the listener that stores what it receives."""
