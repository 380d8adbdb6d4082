"""The command line: one command a file. The only place that prints."""
