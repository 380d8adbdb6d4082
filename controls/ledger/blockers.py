"""Blockers of a higher mode: a latched fault, an unproven command, an untrusted clock."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from assets.stores.anchors import expect_anchored
from assets.stores.column_types import UtcDateTime
from assets.stores.schema.tables_control import command_events, device_leases, mode_events
from assets.stores.transactions import Connection, Store, select_rows
from controls.ledger.device_faults import select_faults
from controls.ledger.device_lease import LEASE_S
from controls.ledger.rows import select_commands
from controls.ledger.states import DOUBTFUL
from data_quality.contracts.errors import BadInput

# As far as guard I10 lets a clock be wrong.
MAX_CLOCK_ERROR = timedelta(seconds=2)


def check_no_doubt(store: Store, connection: Connection, site_id: str, now_utc: datetime) -> None:
    """Raises BadInput where a blocker forbids to raise a mode of the site, Unreachable where it could not be
    noted outside of the store.
    """
    expect_anchored(store)
    faults = select_faults(store, connection, site_id)
    if faults:
        names = ", ".join(fault.device_id or site_id for fault in faults)
        raise BadInput(
            f"the mode is not raised while a fault is latched ({names})",
            reason="fault_latched",
            mend="acknowledge the fault first",
        )
    doubtful = select_commands(connection, site_id, states=DOUBTFUL)
    if doubtful:
        command = doubtful[0].command
        raise BadInput(
            f"the mode is not raised while command {command.command_id} for {command.device_id} is "
            f"{doubtful[0].state}, so not proven",
            reason="command_in_doubt",
        )
    if doubt := clock_doubt(connection, site_id, now_utc):
        raise BadInput(f"the mode is not raised: {doubt}", reason="clock_in_doubt")


def clock_doubt(connection: Connection, site_id: str, now_utc: datetime) -> str:
    """Why this clock is not believed, or empty: the ledger knows a later time than it, of this machine or another.

    A clock that was set back would let an end of a mode or of a window come later than two people signed.
    """
    queries = (
        sa.select(sa.func.max(command_events.c.at_utc)).where(command_events.c.site_id == site_id),
        sa.select(sa.func.max(mode_events.c.recorded_at_utc)).where(mode_events.c.site_id == site_id),
        sa.select(device_leases.c.expires_utc).where(device_leases.c.site_id == site_id),
    )
    columns: list[Any] = [
        sa.type_coerce(each.scalar_subquery(), UtcDateTime()).label(f"at_{n}") for n, each in enumerate(queries)
    ]
    (found,) = select_rows(connection, sa.select(*columns))
    command, mode, lease = found.values()
    if lease is not None:
        lease -= timedelta(seconds=LEASE_S)
    newest = max((each for each in (command, mode, lease) if each is not None), default=now_utc)
    if newest - now_utc <= MAX_CLOCK_ERROR:
        return ""
    late_s = (newest - now_utc).total_seconds()
    return f"the clock is {late_s:.0f} s behind what the ledger has recorded; set it right first"
