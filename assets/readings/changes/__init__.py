"""What a batch changes, what may not change unasked, and which partitions it touches."""
