"""The library of reports: entries, files, acts and the public check."""
