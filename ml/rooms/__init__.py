"""Rooms: heat capacity and losses identified from their temperatures."""
