"""People before the pages: who they are, how they sign in, how often they may ask."""
