"""Charge points over OCPP 1.6 and 2.0.1: they connect to us, we set limits that end by themselves."""
