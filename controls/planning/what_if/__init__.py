"""A year of a site's own readings re-lived with devices or a tariff that it has not bought yet."""
