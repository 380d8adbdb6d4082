"""One device, one file: its variables and its families of rows."""
