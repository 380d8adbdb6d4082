"""DSMR P1 telegrams."""
