"""Tests of review, publication, delivery and schedules."""
