"""Dagster's instance: written from the project's settings, SQLite by default, PostgreSQL by the one setting."""
