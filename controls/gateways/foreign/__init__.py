"""Devices on the broker that do not know us: spoken to by their templates, and served from them for tests."""
