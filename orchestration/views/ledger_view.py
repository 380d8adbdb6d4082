"""Commands as the command line shows them: names of the contract, evidence in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import Store, read_rows
from controls.ledger.as_of import commands_at
from controls.ledger.rows import read_commands
from data_quality.contracts.control.command import EvidenceGrade

# What a grade says to people. Below READ_BACK nothing is proven, and the words say so.
WORDS = {
    EvidenceGrade.SENT: "sent, not proven",
    EvidenceGrade.BROKER_ACCEPTED: "taken by the broker, not proven",
    EvidenceGrade.DEVICE_ACKNOWLEDGED: "acknowledged by the device, not proven",
    EvidenceGrade.READ_BACK: "read back",
    EvidenceGrade.METER_MOVED: "meter moved",
}


def commands_of_store(store: Store, site_id: str, *, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """Commands with the keys of the contract, oldest first; as they stood at an instant where one is given.

    evidence: the highest grade first, with everything learned since; then each grade below it that was reached.
    """
    found = []
    # The newest event that brought each grade of each command. Commands from before events said grades have none.
    query = command_events.select().where(command_events.c.site_id == site_id).order_by(command_events.c.position)
    if as_of_utc is not None:
        query = query.where(command_events.c.at_utc <= as_of_utc)
    proofs: dict[str, dict[EvidenceGrade, dict[str, Any]]] = {}
    for event in read_rows(store, query):
        grade = event["facts"].get("evidence_grade")
        if grade in EvidenceGrade.__members__.values():
            proofs.setdefault(event["command_id"], {})[EvidenceGrade(grade)] = event
    for row in read_commands(store, site_id) if as_of_utc is None else commands_at(store, site_id, as_of_utc):
        order = row.command
        reached = proofs.get(order.command_id, {})
        first = {} if row.evidence_grade is None else _grade(row.evidence_grade, reached)
        below = [_grade(each, reached) for each in sorted(reached, reverse=True) if each != row.evidence_grade]
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
                "evidence": [{**first, **row.facts}, *below] if first or row.facts else [],
            }
        )
    return found


def proof_of(command: Mapping[str, Any]) -> str:
    """The proof of a command of `commands_of_store` in a few words; `none` where nothing was sent."""
    return next((each["says"] for each in command["evidence"] if "says" in each), "none")


def _grade(grade: EvidenceGrade, reached: Mapping[EvidenceGrade, Mapping[str, Any]]) -> dict[str, Any]:
    by = reached.get(grade, {})
    return {
        "grade": int(grade),
        "means": grade.name,
        "says": WORDS[grade],
        "is_proof": grade >= EvidenceGrade.READ_BACK,
        "at_utc": by.get("at_utc"),
        "by": by.get("reason"),
    }
