"""The dispatch problem as mathematics: a case, its rows family by family, its solution and its proof."""
