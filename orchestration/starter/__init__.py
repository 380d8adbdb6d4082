"""Starter of a new project: its files, the blocks of its site file, and the questions that fill them."""
