"""Commands about tariffs and bills."""
