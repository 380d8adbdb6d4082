"""How sure a forecast is: calibrated bands, courses that belong together, and scores of both."""
