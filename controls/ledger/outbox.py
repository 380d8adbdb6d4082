"""Release: the dispatch run's only act. It moves commands on in the ledger and never touches a device."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from assets.stores.schema.tables_control import ledger_identity, plans
from assets.stores.transactions import Connection, Store, read_rows, select_rows, site_transaction
from controls.ledger.approvals import Kind, plan_class, read_approvals
from controls.ledger.chain_marks import mark_chain
from controls.ledger.modes import read_modes
from controls.ledger.rows import LedgerRow, command_doubt, read_commands, select_commands, transition
from controls.ledger.states import UNSENT, is_settled
from data_quality.contracts.control.command import Command, CommandState, Mode
from data_quality.contracts.errors import OurFault
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

_POLL_S = 0.25
# Answers a sentence where a guard refuses the planned value, else None.
PlannedCheck = Callable[[Command, Mode], str | None]


class ReleaseReport(Model):
    """Result of one release: command ids by outcome. waiting: the window has not begun. unapproved: nobody approved
    their class of plans yet.
    """

    site_id: str
    plan_id: str
    mode: Mode
    released: tuple[str, ...] = ()
    advised: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    unapproved: tuple[str, ...] = ()


def ledger_id(store: Store) -> str:
    """The name of this ledger: another one where the ledger was replaced. Raises Unreachable, OurFault."""
    rows = read_rows(store, ledger_identity.select())
    if not rows:
        raise OurFault("the ledger has no identity; its tables were not made by the migrations")
    return str(rows[0]["ledger_id"])


def slot_run_key(plan_id: str, slot_start_utc: datetime, ledger_id: str) -> str:
    """Run key of the dispatch run for one slot: after a new ledger the same plan is released again."""
    return f"{plan_id}:{slot_start_utc:%Y-%m-%dT%H:%MZ}:{ledger_id}"


def release(
    store: Store,
    site_id: str,
    plan_id: str,
    *,
    clock: Clock,
    check: PlannedCheck,
    only_slot: datetime | None = None,
    lead_s: float = 0.0,
) -> ReleaseReport:
    """Move the plan's commands whose window is current one step on, all in one transaction. Raises Unreachable.

    Mode PARTIAL or higher: PROPOSED → RELEASED, or BLOCKED where `check` refuses. Below: → ADVISED, nothing for the
    wire. In any mode REJECTED where its digest is not the plan's. Of the site's unsent commands, those whose window has
    ended become EXPIRED and those that a newer plan has for the same device and time become SUPERSEDED. only_slot:
    leave windows that begin at another instant. lead_s: a window counts as begun that long before. Running it again
    changes nothing.

    In PARTIAL, at a site where classes of plans are approved, a command of a class that is not stays PROPOSED until
    somebody approves it or its window ends.
    """
    now_utc = clock.now_utc()
    outcome: dict[str, list[str]] = {}
    with site_transaction(store, site_id) as connection:
        known = _plans(connection, site_id)
        versions = {name: version for name, (version, _) in known.items()}
        # Read inside the transaction: a mode lowered before it commits wins.
        modes = read_modes(store, site_id, now_utc=now_utc, connection=connection)
        classes = read_approvals(store, site_id, Kind.PLAN_CLASS, connection=connection)
        unsent = select_commands(connection, site_id, states=UNSENT)
        # Only a second plan can replace anything: with one the whole history need not be read.
        everything = select_commands(connection, site_id) if len(versions) > 1 else unsent
        for row in unsent:
            # First what is over or replaced, in any mode: such a command is not worth asking a guard about.
            step = _overtaken(row, everything, versions, now_utc)
            is_wanted = row.command.plan_id == plan_id and only_slot in (None, row.command.valid_from_utc)
            if step is None and is_wanted and row.state is CommandState.PROPOSED:
                if row.command.valid_from_utc > now_utc + timedelta(seconds=lead_s):
                    outcome.setdefault("waiting", []).append(row.command.command_id)
                    continue
                mode = modes.of(row.command.device_id, row.command.capability)
                if mode is Mode.PARTIAL and classes.is_used and classes.missing([_class_of(row.command)]):
                    outcome.setdefault("unapproved", []).append(row.command.command_id)
                    continue
                doubt = command_doubt(store, connection, row.command.command_id)
                step = (CommandState.BLOCKED, doubt) if doubt else released(row.command, mode, check)
                # What stands in no plan of this site, or in another version of it, was never planned.
                if known.get(row.command.plan_id, (0, ""))[1] != row.command.plan_hash:
                    step = (CommandState.REJECTED, "its digest is not that of a plan of this site")
            if step is not None and transition(connection, row, step[0], at_utc=now_utc, reason=step[1]):
                outcome.setdefault(step[0].value.lower(), []).append(row.command.command_id)
        mark_chain(connection, site_id, now_utc)
    lists = {name: tuple(ids) for name, ids in outcome.items()}
    return ReleaseReport.model_validate({"site_id": site_id, "plan_id": plan_id, "mode": modes.of(), **lists})


def _overtaken(
    row: LedgerRow, everything: list[LedgerRow], versions: dict[str, int], now_utc: datetime
) -> tuple[CommandState, str] | None:
    if row.command.valid_until_utc <= now_utc:
        return CommandState.EXPIRED, "the window ended before it was sent"
    # A person's outlives every plan that is made meanwhile.
    if not row.command.is_by_hand and _is_replaced(row, everything, versions):
        return CommandState.SUPERSEDED, "a newer plan has a command for this device and time"
    return None


def released(command: Command, mode: Mode, check: PlannedCheck) -> tuple[CommandState, str]:
    """The state that a proposed command takes in a mode, and why: ADVISED, BLOCKED or RELEASED."""
    if mode < Mode.PARTIAL:
        return CommandState.ADVISED, f"the mode is {mode.name}: shown, not sent"
    refusal = check(command, mode)
    if refusal is not None:
        return CommandState.BLOCKED, refusal
    return CommandState.RELEASED, f"released in mode {mode.name}"


def _class_of(command: Command) -> str:
    return plan_class(command.device_id, command.capability)


def _plans(connection: Connection, site_id: str) -> dict[str, tuple[int, str]]:
    """Version and digest of the site's plans."""
    rows = select_rows(connection, plans.select().where(plans.c.site_id == site_id))
    return {row["plan_id"]: (row["version"], row["plan_hash"]) for row in rows}


def _is_replaced(row: LedgerRow, everything: list[LedgerRow], versions: dict[str, int]) -> bool:
    mine = row.command
    version = versions.get(mine.plan_id, 0)
    return any(
        versions.get(other.command.plan_id, 0) > version
        and (other.command.device_id, other.command.capability) == (mine.device_id, mine.capability)
        # Windows are half open: one that begins where the other ends replaces nothing.
        and other.command.valid_from_utc < mine.valid_until_utc
        and mine.valid_from_utc < other.command.valid_until_utc
        for other in everything
    )


def wait_for_results(
    store: Store,
    site_id: str,
    command_ids: Iterable[str],
    *,
    timeout_s: float,
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> dict[str, CommandState]:
    """States of the commands, once all are proven or finished, or after timeout_s. Raises Unreachable."""
    wanted = tuple(command_ids)
    deadline_s = monotonic() + timeout_s
    while True:
        rows = read_commands(store, site_id, command_ids=wanted)
        states = {row.command.command_id: row.state for row in rows}
        # Ids that this ledger does not have are not waited for: they would never settle.
        if all(is_settled(states[name]) for name in wanted if name in states) or monotonic() >= deadline_s:
            return states
        sleep(_POLL_S)
