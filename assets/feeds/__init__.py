"""Weather from outside: asked for over HTTP, read from documents and files, told in two times."""
