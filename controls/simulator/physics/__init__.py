"""What every simulated site is made of: time, weather, noise, meters, faults, and the formats of senders."""
