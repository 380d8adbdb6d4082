"""Notices: recipients, content and times, and what leaves."""
