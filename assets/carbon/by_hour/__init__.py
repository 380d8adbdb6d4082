"""Scope 2 by the hour: intensity, certificates matched in their hour."""
