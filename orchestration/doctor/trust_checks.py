"""What the doctor says of the rows on which safety, money and approval rest."""

from pathlib import Path

from assets.stores.transactions import Store
from controls.ledger.ledger_trust import distrusted

NAME = "ledger/trust"
MEND = "restore the store from a backup, and find out who wrote to it"
SHOWN = 5


def check(store: Store, anchors: Path) -> tuple[bool, str]:
    """Whether everything is as it was written, and what is not, in words. anchors: what was noted outside of it."""
    found = distrusted(store, anchors)
    if not found:
        return True, "every row is as it was written"
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return False, "; ".join(found[:SHOWN]) + more
