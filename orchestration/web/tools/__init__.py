"""The gate before Dagster's and MLflow's own pages, which have no sign-in."""
