"""Bytes of files: unpacked within limits, decoded."""
