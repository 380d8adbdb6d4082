"""The KPIs a second time, in plain Python: the independent oracle that the SQL is held to."""
