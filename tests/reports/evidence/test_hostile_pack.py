"""A pack that somebody made to harm: stopped, named, and nothing of it stays."""

import hashlib
import io
import json
import struct
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from assets.bills.documents.read_bill import read_bill
from assets.readings.readers.child import Limits
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.ledgers.bill_ledger import BillStore
from assets.stores.sign import canonical
from data_quality.contracts.errors import BadInput
from reports.evidence import manifest as names
from reports.evidence.archive import STRUCTURE
from tests.bills.seeded import register_scene
from tests.definitions import verify_pack
from tests.reports.conftest import MakeWorld
from tests.reports.evidence.conftest import Sealed, seal
from tests.reports.evidence.test_pack import Members, files_of, members_of, resealed, written

ROWS = 3_000_000


def bomb(members: Members) -> Members:
    """A small lake file that unpacks to gigabytes, with manifest rows that fit it."""
    name = min(name for name in members if name.startswith(names.LAKE))
    rows = [row for row in json.loads(members[f"{names.STORE}lake_manifest.json"]) if names.LAKE + row["path"] == name]
    start = pl.lit(datetime.fromisoformat(f"{rows[0]['day']}T00:00+00:00"), dtype=LAKE_SCHEMA["interval_start_utc"])
    buffer = io.BytesIO()
    frame = pl.DataFrame(schema=LAKE_SCHEMA).clear(ROWS).with_columns(interval_start_utc=start, meter_id=pl.lit("m"))
    frame.select(list(LAKE_SCHEMA)).write_parquet(buffer, compression="zstd")
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    manifest = json.loads(members[f"{names.STORE}lake_manifest.json"])
    for row in manifest:
        if row["path"] == rows[0]["path"]:
            row |= {"file_sha256": digest, "rows": ROWS}
    return members | {name: buffer.getvalue(), f"{names.STORE}lake_manifest.json": canonical(manifest)}


def test_a_pack_that_would_take_the_machine_is_stopped_and_leaves_nothing_behind(
    sealed: Sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = written(tmp_path / "bomb.zip", resealed(bomb(members_of(sealed.made.path)), sealed.signer))
    monkeypatch.setattr("reports.evidence.verify_pack.LIMITS", Limits(memory_mb=200))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    verdict = verify_pack(forged, sample=None)
    assert not verdict.verified
    assert any("memory" in each.problem or "crashed" in each.problem for each in verdict.problems), verdict.problems
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.zip"]
    assert verify_pack(sealed.made.path, sample=1).verified


def test_a_member_that_is_a_link_or_leads_outside_is_archive_structure(sealed: Sealed, tmp_path: Path) -> None:
    for name, change in (("link.zip", as_link), ("twice.zip", as_twice), ("outside.zip", as_outside)):
        forged = tmp_path / name
        forged.write_bytes(change(sealed.made.path.read_bytes()))
        verdict = verify_pack(forged)
        assert STRUCTURE in files_of(verdict), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.zip", "outside.zip", "twice.zip"]


def as_link(pack: bytes) -> bytes:
    """The last member of the directory is said to be a symbolic link."""
    last = pack.rindex(b"PK\x01\x02")
    plain, link = (struct.pack("<I", mode << 16) for mode in (0o100600, 0o120777))
    return pack[:last] + pack[last:].replace(plain, link, 1)


def as_twice(pack: bytes) -> bytes:
    """The first member appears twice."""
    end = pack.index(b"PK\x03\x04", 4)
    return pack[:end] + pack


def as_outside(pack: bytes) -> bytes:
    """A member's name leads out of its folder, in its header and in the directory."""
    return pack.replace(b"inputs/site.json", b"../../../etc.txt")


def test_a_lake_file_that_another_writer_restored_is_known_by_its_rows_and_by_each_of_its_bytes(
    sealed: Sealed, tmp_path: Path
) -> None:
    members, signer = members_of(sealed.made.path), sealed.signer
    rows = json.loads(members[f"{names.STORE}lake_manifest.json"])
    # As an older version wrote it down: bytes that nobody writes today.
    for row in rows:
        row["file_sha256"] = "0" * 64 if row["path"] == rows[0]["path"] else row["file_sha256"]
    members |= {f"{names.STORE}lake_manifest.json": canonical(rows)}
    assert verify_pack(written(tmp_path / "restored.zip", resealed(members, signer)), sample=1).problems == ()
    name = names.LAKE + rows[0]["path"]
    altered = members[name][:500] + bytes([members[name][500] ^ 1]) + members[name][501:]
    verdict = verify_pack(written(tmp_path / "altered.zip", resealed(members | {name: altered}, signer)), sample=1)
    assert [(each.file, each.problem) for each in verdict.problems] == [
        (name, "is not the file that the lake's manifest names")
    ]


def test_a_pack_is_not_made_of_a_bill_that_was_changed_since_it_was_read(world: MakeWorld, tmp_path: Path) -> None:
    path, used = tmp_path / "bill.csv", world()
    path.write_text(register_scene("right", 2).paper.csv())
    bill = read_bill(path).model_copy(update={"start": None, "end": None})
    books = BillStore(tmp_path / "bills", used.reports.store)
    kept = books.kept_file(books.keep_bill(path, bill, site_id="plant", clock=used.clock))
    made = seal(tmp_path, used)
    made = replace(made, maker=replace(made.maker, bills_dir=books.root))
    assert f"{names.BILLS}{bill.sha256}.csv" in members_of(made.make(tmp_path / "with.zip").path)
    kept.write_bytes(kept.read_bytes() + b"\n")
    with pytest.raises(BadInput, match=r"bill\.csv: this bill is no longer the file that was read"):
        made.make(tmp_path / "again.zip")
