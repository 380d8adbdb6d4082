"""Tests of the live scoring."""
