"""Tests of the tower's files: what is wrong with them, and what ingestion makes of it."""
