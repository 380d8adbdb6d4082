"""Bills: computed, compared, laid over calendar months."""
