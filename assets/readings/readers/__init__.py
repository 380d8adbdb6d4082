"""One file format a module; the list of them stands in reader_list.py."""
