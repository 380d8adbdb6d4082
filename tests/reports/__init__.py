"""Tests of the reports: content, traces, gates, renderers."""
