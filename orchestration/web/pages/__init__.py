"""Pages, one a file: address -> what it reads (gather) -> view model (reports/pages) -> drawn."""
