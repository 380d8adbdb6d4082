"""Tests of weather from outside."""
