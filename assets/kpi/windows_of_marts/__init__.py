"""Which part of the marts a run computes, and from what."""
