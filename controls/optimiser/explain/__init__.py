"""Explanation of a plan: binding constraints, the value of a kWh, the cost of other choices."""
