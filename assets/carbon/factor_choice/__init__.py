"""Which factor holds: units, gases, rows that are one factor, the view of a site."""
