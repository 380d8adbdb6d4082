"""Samples of live sources as the collector writes them."""
