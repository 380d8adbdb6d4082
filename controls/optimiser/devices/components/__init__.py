"""Components of device models: converters, charging sessions, heat stores, switching, battery curves."""
