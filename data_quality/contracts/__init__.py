"""The meaning of everything that crosses a room: one Pydantic model a file, no sibling imported."""
