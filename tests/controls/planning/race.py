"""One of several processes that store the same plan at the same time."""

from datetime import UTC, datetime
from typing import Any

from assets.stores.ledgers.plans import PlanStore
from assets.stores.transactions import connect_store
from data_quality.contracts.control.command import Command
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.time import FixedClock


def store_one(url: str, plan_json: str, commands_json: list[str], gate: Any, answers: Any) -> None:
    """Wait for the others, store, and answer whether it was new and which version it has."""
    plan = Plan.model_validate_json(plan_json)
    commands = [Command.model_validate_json(text) for text in commands_json]
    store = connect_store(url)
    gate.wait(timeout=60)
    stored = PlanStore(store).add_with_commands(plan, commands, FixedClock(datetime(2026, 1, 1, 10, 8, tzinfo=UTC)))
    answers.put((stored.is_new, stored.plan.version))
    store.close()
