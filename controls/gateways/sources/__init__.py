"""Sources of live readings: one thin adapter a kind of source."""
