"""People before the pages: who they are, and how they sign in."""
