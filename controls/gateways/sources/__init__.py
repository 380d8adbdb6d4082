"""Where live readings come from: one thin adapter a kind of source."""
