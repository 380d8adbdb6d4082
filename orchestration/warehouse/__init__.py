"""dbt and what is as new as the lake."""
