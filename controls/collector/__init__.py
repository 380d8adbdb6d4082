"""Storage of live readings: every sample on disk before it is acknowledged, and a board of the newest."""
