"""Guards, one a file, pure: a command and what is measured now go in, Allow or Block comes out. They stand last
before the wire and cannot be skipped. `check.py` runs them all. No clock, no device and no store is known here.
"""
