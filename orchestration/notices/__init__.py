"""Notices and deliveries: one outbox, one channel a file, drained by a process of its own."""
