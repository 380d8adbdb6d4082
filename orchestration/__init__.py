"""The Dagster side: what runs when. Imports every room, decides nothing about energy."""
