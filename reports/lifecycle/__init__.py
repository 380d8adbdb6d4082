"""Lifecycle of a report: from due to delivered."""
