"""Stamp of a site's control as a person saw it: its newest change, and changes since."""

from collections.abc import Mapping
from typing import Any

from assets.stores.schema.tables_control import fault_events, hold_events, holiday_events, mode_events, mode_requests
from assets.stores.transactions import Store, read_rows

Row = Mapping[str, Any]
# In the place of a device, whose name never has a blank: forms about holidays know of nothing else.
HOLIDAY = "the holiday"


def control_stamp(store: Store, site_id: str, device_id: str = "") -> str:
    """The newest change of modes and requests of the site, and of holds and latches of it and the device.

    It goes into a form, and comes back with it. Raises Unreachable.
    """
    return _stamp(_changes(store, site_id, device_id))


def holiday_stamp(store: Store, site_id: str) -> str:
    """The newest holiday of the site, set or ended. Raises Unreachable."""
    return _stamp(_changes(store, site_id, HOLIDAY))


def changes_since(store: Store, site_id: str, device_id: str, stamp: str) -> list[Row] | None:
    """Changes that came after a stamp; None where it is none. Raises Unreachable."""
    seen = stamp.split(".")
    rows = _changes(store, site_id, device_id)
    # Numbers of a database are no longer than this.
    if len(seen) != len(rows) or not all(each.isdecimal() and len(each) < 20 for each in seen):
        return None
    return [row for of_one, last in zip(rows, seen, strict=True) for row in of_one if row["id"] > int(last)]


def _stamp(rows: list[list[dict[str, Any]]]) -> str:
    return ".".join(str(max((each["id"] for each in of_one), default=0)) for of_one in rows)


def _changes(store: Store, site_id: str, device_id: str) -> list[list[dict[str, Any]]]:
    if device_id == HOLIDAY:
        return [read_rows(store, holiday_events.select().where(holiday_events.c.site_id == site_id))]
    of_site = [table.select().where(table.c.site_id == site_id) for table in (mode_events, mode_requests)]
    of_device = [
        table.select().where(table.c.site_id == site_id, table.c.device_id.in_(("", device_id)))
        for table in (hold_events, fault_events)
    ]
    return [read_rows(store, query) for query in (*of_site, *of_device)]
