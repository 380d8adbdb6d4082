"""`meterloom retention`: copies past their age removed, where no figure rests on them."""

from contextlib import nullcontext
from typing import Annotated

from assets.stores.published.ground import ground_of
from assets.stores.retention import classes_of, old_files, remove
from orchestration.doctor.role_files import roles, roles_dir
from orchestration.instance.start_lock import taken
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import PROJECT, Call, Option, operation

CLASSES = Table(
    "classes", "class: {name} | keeps | goes: {rows} | bytes: {bytes:,} | held | held by: {needs}",
    needs=lambda each: "; ".join(each["held_by"][:SHOWN]) + f" and {len(each['held_by']) - SHOWN} more"
    * (len(each["held_by"]) > SHOWN) or "-",
)  # fmt: skip
SHOWN = 3


@operation("retention apply", takes=PROJECT, example="--dry-run")
def retention_apply(
    call: Call,
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say what would go and what holds the rest; remove nothing.")
    ] = False,
) -> Answer:
    """Remove landing files, quarantine copies and logs past their age, and nothing that a stored figure rests on.

    Ages stand in section retention of meterloom.yaml; ledgers, reports, evidence and the lake have none.
    """
    project, now_utc = call.project, call.clock.now_utc()
    with nullcontext() if dry_run else taken(call.places, "upkeep"):
        call.doing("looking at what figures rest on")
        ground = ground_of(project.reports)
        running = {each.name for each in roles(roles_dir(call.places)) if each.is_alive}
        found = old_files(call.places, project.store, ground, running=running, now_utc=now_utc)
        shown = classes_of(call.places, found)
        if not dry_run:
            remove(found, call.doing)
    rows, size_bytes, held = (sum(getattr(each, name) for each in shown) for name in ("rows", "bytes", "held"))
    said = f"{rows} file(s), {size_bytes:,} bytes, {'would be ' if dry_run else ''}removed; {held} past their age stay"
    return Answer(
        {"classes": [each._asdict() for each in shown], "is_applied": not dry_run}, CLASSES,
        text=f"{said}\na file that is removed is in no later backup" if rows else said,
    )  # fmt: skip
