"""Boards for Grafana as data, and the files that Grafana reads."""
