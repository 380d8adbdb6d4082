"""The live board on disk: the newest minute of each point and the state of each source. Never evidence."""
