"""What the energy page is gathered from and how it is put together."""
