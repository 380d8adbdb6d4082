"""Tables of millions of rows: read in blocks, kept as arrays by month, with the decisions of judged_table.py."""
