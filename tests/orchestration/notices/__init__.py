"""Notices: who is told what and when, and what leaves."""
