"""Device templates: one YAML file says what a device can do, where, within which limits. `load.py` reads them."""
