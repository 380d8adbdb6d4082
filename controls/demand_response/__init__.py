"""Demand response: curtailment plans over a site's sheddable loads."""
