"""How heavy the house is: what `make house` prints and tests/test_house.py holds."""
