"""From a file to the lake: refused, held and changed rows, and the report."""
