"""Which commands are in doubt: sent or picked up, and not proven in the time they had."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from assets.stores.transactions import Store
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import CommandState

# UNVERIFIED is final, but a person still owes it a look.
IN_DOUBT = frozenset({CommandState.UNVERIFIED, CommandState.UNKNOWN, CommandState.MISMATCH, CommandState.DRIFTED})
UNDER_WAY = frozenset({CommandState.RELEASED, CommandState.PENDING, CommandState.ISSUED, CommandState.ACKED})
GRACE = timedelta(seconds=60)


def unproven(store: Store, *, site_ids: Iterable[str], now_utc: datetime) -> dict[str, str]:
    """Command id to state, for commands in doubt and for those still under way GRACE after their window began.

    Raises Unreachable.
    """
    found = {}
    for site_id in site_ids:
        for row in read_commands(store, site_id, states=IN_DOUBT | UNDER_WAY):
            is_late = row.command.valid_from_utc + GRACE < now_utc
            if row.state in IN_DOUBT or is_late:
                found[row.command.command_id] = row.state.value
    return found
