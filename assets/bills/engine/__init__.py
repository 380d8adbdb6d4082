"""The bill of a load or of register reads, and what is derived from it."""
