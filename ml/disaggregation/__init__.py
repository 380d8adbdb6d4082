"""Load disaggregation: the energy of a circuit shared out among classes of load."""
