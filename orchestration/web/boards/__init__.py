"""Boards: figures with their whys, and the tiles filled from marts and stores."""
