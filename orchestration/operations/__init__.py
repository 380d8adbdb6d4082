"""Operations of the product: one typed function each, with a shell command and perhaps an endpoint before it."""
