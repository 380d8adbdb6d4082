"""The web face: pages and API over the marts and stores of one project; a process of its own without Dagster."""
