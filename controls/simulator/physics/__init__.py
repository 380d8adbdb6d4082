"""Parts of every simulated site: time, weather, noise, meters, faults, and the formats of senders."""
