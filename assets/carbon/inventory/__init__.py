"""What was emitted: an account of activities, a site's footprint, several sites, what changed."""
