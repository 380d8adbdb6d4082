"""Anomalies of meters: detectors and the monitor that runs them."""
