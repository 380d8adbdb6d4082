"""Tests of the device templates."""
