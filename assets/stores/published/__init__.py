"""A report's life in the store: revisions, figures, traces, publications, deliveries."""
