"""Carbon: factors, accounts, hourly Scope 2, footprints of sites, restatements."""
