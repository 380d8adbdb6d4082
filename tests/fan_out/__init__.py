"""The port that hands out work: the same answers wherever tasks run, whatever happens to who does them."""
