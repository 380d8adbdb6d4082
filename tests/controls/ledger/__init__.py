"""Tests of the command ledger."""
