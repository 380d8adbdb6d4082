"""Disk and databases: the only room that knows Parquet, DuckDB, PostgreSQL and SQLAlchemy."""
