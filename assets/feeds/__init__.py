"""Feeds over HTTP: weather in two times, prices of a market, the history of an InfluxDB."""
