"""Tiles of the boards: typed input in, one Widget out; a file a kind. They read nothing and add nothing up."""
