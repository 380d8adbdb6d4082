"""Boards for Grafana: each query of each board on a real PostgreSQL."""
