"""Commands about forecasts, plans and what is sent to devices."""
