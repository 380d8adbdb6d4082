"""From a file to the lake: what is refused, held, changed and said."""
