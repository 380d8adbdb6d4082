"""Every store of these tests is made by the real steps, never by copy: they race, and lack rights."""

from tests.stores.conftest import real_steps

__all__ = ["real_steps"]
