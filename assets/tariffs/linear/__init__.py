"""The tariff that makes the bill as linear terms for an optimiser: exact, or refused by name."""
