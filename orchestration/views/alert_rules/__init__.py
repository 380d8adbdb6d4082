"""Alert rules of a site: what they make of findings now, and what they would have made of the past."""
