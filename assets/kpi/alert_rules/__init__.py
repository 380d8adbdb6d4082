"""Alert rules: excursions of a series over a limit, and the series that rules are judged by."""
