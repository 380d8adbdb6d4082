"""The platform's model of the world: sites, readings, tariffs, carbon, KPIs, and the stores they live in."""
