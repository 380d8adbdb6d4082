"""What is wrong with the reads of a cumulative register."""
