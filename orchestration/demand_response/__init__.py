"""Events of demand response over an opened project: acts of people, the clock's part, and settlement."""
