"""Sites compared with their peers: energy by floor area, peer groups, ranks with intervals."""
