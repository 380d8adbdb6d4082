"""Answers of every face of the product, recorded for one commit and compared with another commit.

By hand: `python -m tests.oracle record DIR`, `compare DIR_A DIR_B [--allow FILE]`, `commits BASE [HEAD]`.
"""
