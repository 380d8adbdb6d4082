"""Great Expectations suites: gates that a table passes before anybody builds on it. One suite per table and file."""
