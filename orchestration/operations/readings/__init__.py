"""Commands about meters and readings: look at files, take them in, edit, validate, place meters."""
