"""What `make bench` runs: our way against a pandas version of the same work, in the same run."""
