"""Contracts, the transactional store and the lake."""
