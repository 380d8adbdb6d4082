"""Tests of the scoring of sites."""
