"""Energy baselines: which days may be used, which terms earn their place, what the fit is worth."""
