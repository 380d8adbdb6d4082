"""Tests of live sources: each adapter against the real other side."""
