"""What the platform makes of the world: sites, readings, tariffs, carbon, KPIs, and the stores they live in."""
