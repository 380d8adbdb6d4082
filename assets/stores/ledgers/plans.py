"""Plans and their commands in the transactional store: both in one transaction, each only once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Select

from assets.stores.event_chain import append_events
from assets.stores.journal import AppendOnly, row_of
from assets.stores.schema.tables_control import commands as command_table
from assets.stores.schema.tables_control import plans as plan_table
from assets.stores.seals import append
from assets.stores.transactions import Connection, Store, site_transaction
from data_quality.contracts.control.command import Command, CommandState
from data_quality.contracts.control.plan import PLAN_SCHEMA, Plan
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import sentence_of
from data_quality.contracts.time import Clock


def read_plan(content: Mapping[str, Any]) -> Plan:
    """A plan from its JSON. Raises BadInput for one of a schema that this version does not read."""
    written, name = content.get("schema_version", 0), content.get("plan_id", "without an id")
    # A later schema may number itself otherwise.
    if not isinstance(written, int) or written > PLAN_SCHEMA:
        message = f"plan {name} is of schema {written}: this version reads schemas up to {PLAN_SCHEMA}"
        raise BadInput(message, reason="plan_schema")
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        if written:
            raise
        # The first schemas had no number.
        first = error.errors()[0]
        key, fault = ".".join(map(str, first["loc"])), sentence_of(first)
        message = f"plan {name} is of an older schema that this version does not read ({key}: {fault})"
        raise BadInput(message, reason="plan_schema") from error


_PLANS = AppendOnly(plan_table, lambda row: read_plan(row["plan"]), order=("version",))


class StoredPlan(Model):
    """Plan in the store now: this one, or an earlier one from the same inputs."""

    plan: Plan
    is_new: bool
    commands: int


class StoredContent(Model):
    """A plan, and the very JSON that stands in the store for it: what its hash is over, whatever version wrote it."""

    plan: Plan
    content: dict[str, Any]


class PlanStore:
    """Append-only plans; the commands of a plan appear with it or not at all."""

    def __init__(self, store: Store) -> None:
        self._store, self.cache = store, store.cache

    def next_version(self, site_id: str) -> int:
        """The version that a plan stored now would get: 1, 2, 3 … per site."""
        standing = _PLANS.newest(self._store, "version", site_id=site_id)
        return 1 if standing is None else int(standing["version"]) + 1

    def add_with_commands(self, plan: Plan, commands: Sequence[Command], clock: Clock) -> StoredPlan:
        """Store a plan and its commands (state PROPOSED, first event of each) in one transaction.

        A plan of the same `plan_id`, that is of the same inputs, stays as it is and nothing is added: a retry and a
        second process that planned at the same time both end with one row per key. Where another plan took the
        version meanwhile, the plan gets the next one. Raises OurFault where a command is not of the plan,
        Unreachable where the store does not answer.
        """
        for command in commands:
            # A command of another plan would be released by an approval that never saw it.
            if (command.plan_id, command.plan_hash, command.site_id) != (plan.plan_id, plan.plan_hash, plan.site_id):
                raise OurFault(f"command {command.command_id} is not of plan {plan.plan_id}")
        with self._store.together(), site_transaction(self._store, plan.site_id) as connection:
            standing = _PLANS.latest(self._store, plan_id=plan.plan_id)
            if standing is not None:
                return StoredPlan(plan=standing, is_new=False, commands=0)
            stored = plan.model_copy(update={"version": self.next_version(plan.site_id)})
            row = row_of(plan_table, stored, plan=stored.model_dump(mode="json"))
            recorded_at_utc = _PLANS.add(self._store, clock, row)
            propose(connection, plan.site_id, commands, at_utc=recorded_at_utc, reason="planned")
            return StoredPlan(plan=stored, is_new=True, commands=len(commands))

    def latest(self, site_id: str, as_of_utc: datetime | None = None) -> Plan | None:
        """The newest plan of a site, as known at `as_of_utc` where given; None before the first."""
        return _PLANS.latest(self._store, as_of_utc=as_of_utc, site_id=site_id)

    def begun(
        self, site_id: str, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
    ) -> list[StoredContent]:
        """The plans of a site that begin within [start, end), the oldest first, as known at `as_of_utc` where given."""
        rows = self._store.rows(_begun(site_id, start_utc, end_utc, as_of_utc))
        return [StoredContent(plan=_PLANS.read(row), content=row["plan"]) for row in rows]

    def begun_ids(
        self, site_id: str, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None = None
    ) -> list[str]:
        """Ids of the same plans, of which none is read."""
        query = _begun(site_id, start_utc, end_utc, as_of_utc).with_only_columns(plan_table.c.plan_id)
        return [row["plan_id"] for row in self._store.rows(query)]

    def get(self, plan_id: str, *, as_of_utc: datetime | None = None) -> Plan:
        """One plan. Raises BadInput for an unknown id."""
        plan = _PLANS.latest(self._store, as_of_utc=as_of_utc, plan_id=plan_id)
        if plan is None:
            raise BadInput(f"unknown plan {plan_id!r}", reason="unknown_plan")
        return plan


def _begun(site_id: str, start_utc: datetime, end_utc: datetime, as_of_utc: datetime | None) -> Select[Any]:
    # An id begins with the instant: a year of plans need not be read for one day of them.
    first, last = (f"p{at.astimezone(UTC):%Y%m%dT%H%M}" for at in (start_utc, end_utc))
    query = _PLANS.select(site_id=site_id, as_of_utc=as_of_utc)
    return query.where(plan_table.c.plan_id >= first, plan_table.c.plan_id < last)


def propose(
    connection: Connection, site_id: str, commands: Sequence[Command], *, at_utc: datetime, reason: str
) -> None:
    """Write commands of a site as PROPOSED, with the first event of each, in the caller's transaction."""
    append(connection, command_table, [_command_row(each, at_utc) for each in commands])
    append_events(connection, site_id, [_first_event(each, at_utc, reason) for each in commands])


def _command_row(command: Command, recorded_at_utc: datetime) -> dict[str, Any]:
    return {
        **command.model_dump(),
        "state": str(CommandState.PROPOSED),
        "facts": {},
        "recorded_at_utc": recorded_at_utc,
    }


def _first_event(command: Command, at_utc: datetime, reason: str) -> dict[str, Any]:
    return {
        "command_id": command.command_id,
        "from_state": None,
        "to_state": CommandState.PROPOSED,
        "reason": reason,
        "facts": {"plan_id": command.plan_id, "epoch": command.epoch, "seq": command.seq},
        "at_utc": at_utc,
    }
