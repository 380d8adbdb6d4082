"""`meterloom retention`: copies past their age removed, where no figure rests on them."""

from contextlib import nullcontext
from typing import Annotated
from uuid import uuid4

from assets.stores.published.ground import ground_of
from assets.stores.retention import RemovalRun, begin_run, classes_of, end_run, left_run, old_files, remove
from data_quality.contracts.people import Role
from orchestration.doctor.role_files import roles, roles_dir
from orchestration.instance.start_lock import taken
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, Call, Option, operation
from orchestration.operations.signing import Actor, actor

CLASSES = Table(
    "classes", "class: {name} | keeps | goes: {rows} | bytes: {bytes:,} | held | held by: {needs}",
    needs=lambda each: "; ".join(each["held_by"][:SHOWN]) + f" and {len(each['held_by']) - SHOWN} more"
    * (len(each["held_by"]) > SHOWN) or "-",
)  # fmt: skip
SHOWN = 3


@operation("retention apply", takes=ACTS, example="--dry-run")
def retention_apply(
    call: Call,
    dry_run: Annotated[bool, Option("Say what would go and what holds the rest; remove nothing.")] = False,
    scheduled: Annotated[bool, Option("Removed by a timer, not by a person.")] = False,
    reason: Annotated[str, Option("Why, beside their age.")] = "past their age",
) -> Answer:
    """Remove landing files, quarantine copies and logs past their age, and nothing that a stored figure rests on.

    An engineer does it with --as, or a timer with --scheduled; the audit trail keeps how much went, and by whom. Ages
    stand in section retention of meterloom.yaml; ledgers, reports, evidence and the lake have none.
    """
    project, now_utc = call.project, call.clock.now_utc()
    by = None if dry_run or scheduled else actor(call, Role.ENGINEER)
    with nullcontext() if dry_run else taken(call.places, "upkeep"):
        if not dry_run and (left := left_run(call.places)) is not None:
            call.doing("going on where one was broken off")
            _remove(call, left, None)
        call.doing("looking at what figures rest on")
        ground = ground_of(project.reports)
        running = {each.name for each in roles(roles_dir(call.places)) if each.is_alive}
        found = old_files(call.places, project.store, ground, running=running, now_utc=now_utc)
        shown = classes_of(call.places, found)
        if not dry_run:
            who = "" if by is None else by.person.person_id
            _remove(call, begin_run(call.places, found, run_id=uuid4().hex[:16], person_id=who, reason=reason), by)
    rows, size_bytes, held = (sum(getattr(each, name) for each in shown) for name in ("rows", "bytes", "held"))
    line = f"{rows} file(s), {size_bytes:,} bytes, {'would be ' if dry_run else ''}removed; {held} past their age stay"
    return Answer(
        {"classes": [each._asdict() for each in shown], "is_applied": not dry_run}, CLASSES,
        text=f"{line}\na file that is removed is in no later backup" if rows else line,
    )  # fmt: skip


def _remove(call: Call, run: RemovalRun, by: Actor | None) -> None:
    """Remove the files of a run; its rows stand under the signature of who called, where people sign."""
    with call.project.store.together():
        remove(call.project.store, run, call.clock, call.doing)
        if by is not None and run.files:
            by.sign("retention apply", run.run_id, files=len(run.files), reason=run.reason)
    end_run(call.places)
