"""Weight of the house: what `make house` prints and tests/test_house.py holds."""
