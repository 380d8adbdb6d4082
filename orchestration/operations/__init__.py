"""What the product can be asked: one typed function each, with a shell command and perhaps an endpoint before it."""
