"""Templates of pages: one frame, and macros for the blocks that a page is made of."""
