"""Features of forecasts, each built only from what is known at the instant of issue."""
