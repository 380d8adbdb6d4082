"""Commands as the command line shows them: names of the contract, evidence in words."""

from datetime import datetime
from typing import Any

from assets.stores.transactions import Store
from controls.ledger.past import commands_at
from controls.ledger.rows import read_commands


def commands_of_store(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Commands with the keys of the contract, oldest first; as they stood at an instant where one is given."""
    found = []
    for row in read_commands(store, site_id) if as_of_utc is None else commands_at(store, site_id, as_of_utc):
        order = row.command
        proof = (
            {} if row.evidence_grade is None else {"grade": int(row.evidence_grade), "means": row.evidence_grade.name}
        )
        found.append(
            {
                "id": order.command_id,
                "device": order.device_id,
                "capability": order.capability,
                "value": order.value,
                "unit": order.unit,
                "valid_from": order.valid_from_utc,
                "valid_until": order.valid_until_utc,
                "state": row.state.value,
                "evidence": [{**proof, **row.facts}] if proof or row.facts else [],
            }
        )
    return found
