"""A year of a site's own readings replayed with devices or a tariff that it has not bought yet."""
