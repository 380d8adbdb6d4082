"""Channels: each opens a line for many letters and sends one at a time."""
