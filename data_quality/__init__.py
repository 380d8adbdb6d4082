"""Rules, estimates, scores and contracts: what may be believed about a reading."""
