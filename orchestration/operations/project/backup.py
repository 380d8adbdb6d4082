"""`meterloom backup`: a project copied to a folder or a bucket while it runs."""

from pathlib import Path
from typing import Annotated

from assets.stores.backup.make_backup import BackupSource, make_backup
from assets.stores.backup.place import place_to_write, split_address
from assets.stores.backup.prune import Pruned, prune
from assets.stores.backup.sealed import Recipient
from assets.stores.erasure.record import share_records, unfinished
from assets.stores.seals import ledger_of
from data_quality.contracts.errors import BadInput
from orchestration.instance.start_lock import taken
from orchestration.operations.answer import Answer
from orchestration.operations.operation import PROJECT, Call, Option, operation
from orchestration.operations.signing import pack_signer


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
