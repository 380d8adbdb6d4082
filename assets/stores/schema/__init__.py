"""Tables of the transactional store by domain, and the types of their columns."""
