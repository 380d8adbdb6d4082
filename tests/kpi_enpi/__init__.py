"""Tests of the EnPI: status rule, sums over compared days, uncertainty."""
