"""What the library of reports shows, and what is done with a report."""
