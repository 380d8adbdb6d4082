"""Rooms: what their temperatures say of the heat that they keep and lose."""
