"""Sites beside their peers: energy by floor area, peer groups, ranks with intervals."""
