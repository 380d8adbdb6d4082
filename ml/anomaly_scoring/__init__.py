"""Anomalies of a site: its meters scored for some months, and the events stored."""
