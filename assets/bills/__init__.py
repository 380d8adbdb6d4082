"""Bills: lines computed from a tariff and a load, compared, audited, and laid over calendar months."""
