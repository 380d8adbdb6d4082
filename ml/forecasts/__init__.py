"""Forecast models behind one protocol, their backtest and the service that trains, registers and issues."""
