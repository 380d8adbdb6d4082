"""`meterloom backup|retention`: a project copied while it runs; copies past their age removed."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from assets.stores.backup.make_backup import BackupSource, Pruned, make_backup, prune
from assets.stores.backup.place import place_to_write, split_address
from assets.stores.backup.sealed import Recipient
from assets.stores.erasure.record import share_records, unfinished
from assets.stores.published.ground import ground_of
from assets.stores.retention import RemovalRun, begin_run, classes_of, end_run, left_run, old_files, remove
from assets.stores.seals import ledger_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from orchestration.doctor.role_files import roles, roles_dir
from orchestration.instance.start_lock import taken
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Call, Option, operation
from orchestration.operations.signing import Actor, actor, pack_signer


@operation("backup", takes=(*PROJECT, "person_"), example="--to /mnt/backups/factory")
def backup(
    call: Call,
    to: Annotated[str, Option("Folder or s3://BUCKET/PREFIX; copies what is new.", metavar="FOLDER")],
    with_keys: Annotated[
        Path | None, Option("Private keys too, encrypted for this X25519 public key.", metavar="RECIPIENT.pem")
    ] = None,
    keep: Annotated[int, Option("Then keep the newest N backups of the place alone, this one among them.", min=0)] = 0,
) -> Answer:
    """Back the project up while it runs: store, lake, models, reports, evidence, landing and settings; a signed list.

    Marts, warehouse and Dagster's history are left out: they are recomputed from the rest. With --keep older backups of
    the place go, and each content that none of the kept ones needs: what was erased since is in none of them then.
    """
    project, recipient = call.project, None if with_keys is None else Recipient(with_keys)
    signer, name = pack_signer(call)
    source = BackupSource(project.project, project.lake, call.keys_dir, signer, name, recipient)
    with taken(project.project, "upkeep"):
        if left := unfinished(project.store):
            raise BadInput(
                f"an erasure of {left[0]} was broken off: a backup would keep what is left of it",
                reason="unfinished_erasure", mend=f"meterloom erase {left[0]} --yes --as PERSON",
            )  # fmt: skip
        made = make_backup(
            source,
            to.rstrip("/") or "/",
            now_utc=call.clock.now_utc(),
            progress=lambda text, done, of: call.doing(text, done=done, of=of),
        )
        address, name_of_list = split_address(made.path)
        with place_to_write(address, ledger_of(project.store)) as place:
            share_records(project.project, place)
            pruned = prune(place, name_of_list, project.store, keep=keep) if keep else Pruned()
    text = f"{made.path}: {made.files} files, {made.files_new} of them new, {made.bytes_new:,} bytes copied"
    if keep:
        text += f"; {pruned.lists} former backup(s) removed, with {pruned.files} files, {pruned.bytes:,} bytes"
    if recipient is not None:
        text += f"; private keys are encrypted for {recipient.name}"
    elif made.keys_left_out:
        text += f"; {made.keys_left_out} private key(s) are left out: --with-keys RECIPIENT.pem"
    result = made._asdict() | {"bytes": made.bytes_new, "signer": name, "removed": pruned._asdict()}
    return Answer(result, text=f"{text}\nprove it: meterloom restore {made.path} --verify")


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
