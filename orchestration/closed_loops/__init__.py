"""Where the policies of plans meet the simulated house that they cannot import."""
