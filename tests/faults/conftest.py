"""The plant's worlds, as the report's own tests make them."""

from tests.reports.conftest import _no_template_stays, good, world

__all__ = ["_no_template_stays", "good", "world"]
