"""The conformance table and its cases."""
