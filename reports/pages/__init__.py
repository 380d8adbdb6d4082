"""View models of the pages: typed input in, a Page out. They read nothing and compute nothing."""
