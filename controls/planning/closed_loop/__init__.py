"""Policies that go on with a site they cannot look into: what they learn of it, what they plan, and what came of it."""
