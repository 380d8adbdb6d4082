"""Live readings: spool, board, collector, and what becomes of them when things are killed."""
