"""Projects that earlier revisions made, each with what it printed; make.py makes the next one."""
