"""Tests of the wire: real servers, a real broker."""
