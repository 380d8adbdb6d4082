"""The demo sites, each with a truth that is known: home, factory, office tower."""
