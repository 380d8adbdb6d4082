"""Groups of features, each the home of its columns: their names, units, when they are known, and how they are made."""
