"""One report per file: frames in, typed content out. Nothing here formats a page or reads a disk, load.py apart."""
