"""May a saving be claimed? Changes of use that nobody declared, changes of unit, and the one gate over them."""
