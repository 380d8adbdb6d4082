"""What the doctor says of the rows on which safety, money and approval rest."""

from pathlib import Path

from assets.stores.transactions import Store
from controls.ledger.ledger_trust import distrusted
from data_quality.contracts.errors import Unreachable
from orchestration.doctor.reachable import item

NAME = "ledger/trust"
MEND = (
    "restore the store from a backup, and find out who wrote to it; where you put this store here yourself, "
    "'meterloom lake adopt' notes that it goes on from here"
)
SHOWN = 5


def check(store: Store, anchors: Path) -> list[dict[str, str]]:
    """Whether everything is as it was written, and what is not, in words; and whether that could be noted outside of
    the store. anchors: what was noted there.
    """
    found = distrusted(store, anchors)
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return [item(NAME, "fail", "; ".join(found[:SHOWN]) + more, MEND)]
    told = [item(NAME, "ok", "every row is as it was written")]
    try:
        if store.anchors is not None:
            # What a writer could not note that was stopped, or had no room.
            store.anchors.catch_up()
    except (Unreachable, OSError) as fault:
        told.append(item("ledger/anchors", "warn", str(fault), "until then nobody approves, raises or publishes"))
    return told
