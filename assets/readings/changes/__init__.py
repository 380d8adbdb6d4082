"""Changes by a batch: new and corrected readings, rows held back, and the partitions touched."""
