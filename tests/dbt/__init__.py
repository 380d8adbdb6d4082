"""The warehouse and the dbt project on both engines."""
