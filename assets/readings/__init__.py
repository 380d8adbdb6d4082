"""From a meter file to the lake: recognise, read, make canonical, compare with what is known, write."""
