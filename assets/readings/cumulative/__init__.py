"""States of cumulative registers become intervals."""
