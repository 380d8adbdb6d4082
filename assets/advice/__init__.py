"""Recommendations: kinds of waste as pure functions over the hours of a site, priced and netted."""
