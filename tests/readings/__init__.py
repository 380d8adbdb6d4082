"""From a meter file to the lake."""
