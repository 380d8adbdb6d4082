"""Live readings: from the wire to the lake."""
