"""Live scoring: a process of its own that judges the newest values of all meters each minute."""
