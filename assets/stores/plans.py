"""Plans and their commands in the transactional store: both in one transaction, each only once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.access import Connection, site_transaction
from assets.stores.chain import append_events
from assets.stores.seals import append
from assets.stores.tables_control import commands as command_table
from assets.stores.tables_control import plans as plan_table
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.command import Command, CommandState
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.model import Model
from data_quality.contracts.plan import Plan
from data_quality.contracts.time import Clock


class StoredPlan(Model):
    """What stands in the store now: this plan, or the one that stood there before from the same inputs."""

    plan: Plan
    is_new: bool
    commands: int


class PlanStore:
    """Append-only plans; the commands of a plan appear with it or not at all."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def next_version(self, site_id: str) -> int:
        """The version that a plan stored now would get: 1, 2, 3 … per site."""
        with self._store.engine.connect().execution_options(meterloom_read=True) as connection:
            return _next_version(connection, site_id)

    def add_with_commands(self, plan: Plan, commands: Sequence[Command], clock: Clock) -> StoredPlan:
        """Store a plan and its commands (state PROPOSED, first event of each) in one transaction.

        A plan of the same `plan_id`, that is of the same inputs, stays as it is and nothing is added: a retry and a
        second process that planned at the same time both end with one row per key. Where another plan took the
        version meanwhile, the plan gets the next one. Raises OurFault where a command is not of the plan,
        Unreachable where the store does not answer.
        """
        for command in commands:
            if (command.plan_id, command.plan_hash, command.site_id) != (plan.plan_id, plan.plan_hash, plan.site_id):
                raise OurFault(f"command {command.command_id} is not of plan {plan.plan_id}")
        with site_transaction(self._store, plan.site_id) as connection:
            standing = _plan(connection, plan.plan_id)
            if standing is not None:
                return StoredPlan(plan=standing, is_new=False, commands=0)
            stored = plan.model_copy(update={"version": _next_version(connection, plan.site_id)})
            recorded_at_utc = next_recorded_at(connection, clock.now_utc())
            append(connection, plan_table, [_plan_row(stored, recorded_at_utc)])
            if commands:
                rows = [_command_row(command, recorded_at_utc) for command in commands]
                append(connection, command_table, rows)
                append_events(
                    connection, plan.site_id, [_first_event(command, recorded_at_utc) for command in commands]
                )
            return StoredPlan(plan=stored, is_new=True, commands=len(commands))

    def latest(self, site_id: str, as_of_utc: datetime | None = None) -> Plan | None:
        """The newest plan of a site, as known at `as_of_utc` where given; None before the first."""
        query = plan_table.select().where(plan_table.c.site_id == site_id)
        if as_of_utc is not None:
            query = query.where(plan_table.c.recorded_at_utc <= as_of_utc)
        rows = self._store.rows(query.order_by(plan_table.c.version.desc()).limit(1))
        return Plan.model_validate(rows[0]["plan"]) if rows else None

    def get(self, plan_id: str) -> Plan:
        """One plan. Raises BadInput for an unknown id."""
        rows = self._store.rows(plan_table.select().where(plan_table.c.plan_id == plan_id))
        if not rows:
            raise BadInput(f"unknown plan {plan_id!r}", reason="unknown_plan")
        return Plan.model_validate(rows[0]["plan"])


def _plan(connection: Connection, plan_id: str) -> Plan | None:
    content = connection.execute(sa.select(plan_table.c.plan).where(plan_table.c.plan_id == plan_id)).scalar()
    return None if content is None else Plan.model_validate(content)


def _next_version(connection: Connection, site_id: str) -> int:
    last = connection.execute(
        sa.select(sa.func.max(plan_table.c.version)).where(plan_table.c.site_id == site_id)
    ).scalar()
    return 1 if last is None else int(last) + 1


def _plan_row(plan: Plan, recorded_at_utc: datetime) -> dict[str, Any]:
    return {
        "plan_id": plan.plan_id,
        "site_id": plan.site_id,
        "version": plan.version,
        "plan_hash": plan.plan_hash,
        "input_digest": plan.input_digest,
        "plan": plan.model_dump(mode="json"),
        "recorded_at_utc": recorded_at_utc,
    }


def _command_row(command: Command, recorded_at_utc: datetime) -> dict[str, Any]:
    return {
        **command.model_dump(),
        "state": str(CommandState.PROPOSED),
        "facts": {},
        "recorded_at_utc": recorded_at_utc,
    }


def _first_event(command: Command, at_utc: datetime) -> dict[str, Any]:
    return {
        "command_id": command.command_id,
        "from_state": None,
        "to_state": CommandState.PROPOSED,
        "reason": "planned",
        "facts": {"plan_id": command.plan_id, "epoch": command.epoch, "seq": command.seq},
        "at_utc": at_utc,
    }
