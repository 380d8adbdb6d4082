"""Tests of the Dagster side and of the command line."""
