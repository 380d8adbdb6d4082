"""Significant energy uses in reports: inputs, figures, findings."""
