"""One problem as columns and rows of numbers, and the solvers that are given it."""
