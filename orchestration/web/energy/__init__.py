"""Content of the energy page."""
