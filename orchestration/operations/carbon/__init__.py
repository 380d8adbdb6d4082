"""Commands about emissions and emission factors."""
