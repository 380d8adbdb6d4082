"""What `meterloom doctor` asks: one module a question, each answers a list of items; none changes anything."""
