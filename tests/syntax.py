"""Python source as a tree, for tests that read the house."""

import ast
import gc


def parsed(source: str) -> ast.Module:
    """The tree of a module's text, made while no garbage is collected.

    A finaliser that logs a traceback parses source too, and Python 3.11 takes the inner parse for a fault of the outer
    ("AST constructor recursion depth mismatch").
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        if was_on:
            gc.enable()
