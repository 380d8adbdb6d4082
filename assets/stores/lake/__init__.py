"""The readings lake: immutable Parquet files and their manifest."""
