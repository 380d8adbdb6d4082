"""Load disaggregation."""
