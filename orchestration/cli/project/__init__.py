"""Commands about the project folder itself: make it, check it, run it."""
