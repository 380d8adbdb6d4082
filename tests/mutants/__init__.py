"""Does a test notice when one operator of the code is changed? Run by hand: `make mutants TARGET=safety SAMPLE=60`."""
