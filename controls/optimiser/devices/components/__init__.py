"""Components of device models: charging sessions, heat stores, switching, battery curves."""
