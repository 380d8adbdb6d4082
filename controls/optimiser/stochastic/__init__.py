"""Plans over scenarios: one program for all of them, and rooms as columns where they are many."""
