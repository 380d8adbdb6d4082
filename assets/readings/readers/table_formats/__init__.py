"""Tables: separated text, workbooks, Parquet."""
