"""Checks of `meterloom doctor`, one concern a module: what a check reads is asked of the room that owns it."""
