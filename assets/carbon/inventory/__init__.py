"""Greenhouse-gas inventory: an account of activities, a site's footprint, several sites, changes."""
