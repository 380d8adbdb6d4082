"""An evidence pack: the same twice, checked offline, and every alteration found and named."""

import hashlib
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from reportlab.pdfgen.canvas import Canvas

from assets.stores.sign import PACK_DOMAIN, Signer, canonical, new_key
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.people import People, Person
from reports.evidence import manifest as names
from reports.evidence.archive import STRUCTURE, ArchiveWriter, read_archive
from reports.evidence.manifest import MANIFEST, SIGNATURE
from reports.evidence.pack_inputs import _others
from reports.evidence.printed import numbers_in
from reports.render.render_pdf_fonts import FONT, WIDE, letters, wide_glyphs
from tests.definitions import verify_pack
from tests.reports import plant
from tests.reports.conftest import MakeWorld, make_world
from tests.reports.evidence.conftest import Sealed, seal
from tests.reports.evidence.flips import chosen, missed, structural
from tests.reports.test_trace import late_row

Members = dict[str, bytes]


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(path: Path, members: Members) -> Path:
    with path.open("w+b") as file:
        writer = ArchiveWriter(file)
        for name, text in members.items():
            writer.add(name, text)
        writer.close()
    return path


def resealed(members: Members, signer: Signer) -> Members:
    """The members with a manifest that fits them, signed by somebody: a forger who knows the format."""
    manifest = json.loads(members[MANIFEST])
    rest = {name: text for name, text in members.items() if name not in {MANIFEST, SIGNATURE}}
    manifest["files"] = [
        {"path": name, "bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()} for name, text in rest.items()
    ]
    sealed = canonical(manifest)
    signature = json.loads(members[SIGNATURE]) | {
        "public_key": signer.public_key,
        "signature": signer.sign(PACK_DOMAIN, sealed),
    }
    return {**rest, MANIFEST: sealed, SIGNATURE: canonical(signature)}


def files_of(verdict: Any) -> set[str]:
    return {problem.file for problem in verdict.problems}


def test_the_same_revision_is_the_same_pack_to_the_last_byte(sealed: Sealed, tmp_path: Path) -> None:
    again = sealed.make(tmp_path / "again.zip")
    assert again.path.read_bytes() == sealed.made.path.read_bytes()
    assert (again.position, again.previous_sha256) == (1, "0" * 64)


def test_every_figure_of_a_pack_is_made_again_from_the_pack_alone(sealed: Sealed) -> None:
    verdict = verify_pack(sealed.made.path, sample=None)
    assert (verdict.verified, verdict.problems) == (True, ())
    # Somebody may edit a file of the checkout while this runs; that is told, and no alteration.
    assert [finding for finding in verdict.findings if "source files differ" not in finding] == []
    assert verdict.figures == verdict.recomputed == 186
    assert verdict.days == 91
    assert (verdict.report, verdict.signer) == ("enpi_quarter/plant/2025-Q1@1", "project")
    assert verify_pack(sealed.made.path).recomputed == 20


def test_any_zip_tool_reads_a_pack(sealed: Sealed) -> None:
    with zipfile.ZipFile(sealed.made.path) as archive:
        assert archive.testzip() is None
        # One disk: tools that look for others refuse what Python reads.
        assert sealed.made.path.read_bytes()[-22:-14] == b"PK\x05\x06" + bytes(4)
        listed = archive.namelist()
    for wanted in (names.CONTENT, names.SITE, names.BASELINES, names.TARIFFS, names.FACTORS, names.LOCK, names.FIGURES):
        assert wanted in listed
    assert {Path(name).suffix for name in listed if name.startswith("report/enpi")} == {".pdf", ".xlsx", ".json"}
    assert sum(name.startswith(names.LAKE) for name in listed) == 4


def test_fault_f101_every_flipped_byte_is_found_and_its_file_named(sealed: Sealed, tmp_path: Path) -> None:
    rng = random.Random(5)
    places = chosen(sealed.made.path, 100, rng) + rng.sample(structural(sealed.made.path), 60)
    assert missed(sealed.made.path, tmp_path / "copy.zip", places, rng) == []


def swap(members: Members) -> Members:
    first, second, *rest = members
    return {name: members[name] for name in (second, first, *rest)}


def drop(members: Members) -> Members:
    return {name: text for name, text in members.items() if name != names.SITE}


def add(members: Members) -> Members:
    return {"report/extra.txt": b"hello", **members}


def exchange(members: Members) -> Members:
    return members | {names.TARIFFS: members[names.FACTORS], names.FACTORS: members[names.TARIFFS]}


def other_manifest(members: Members) -> Members:
    return members | {MANIFEST: members[MANIFEST].replace(b'"status":"draft"', b'"status":"final"')}


def spaced_manifest(members: Members) -> Members:
    return members | {MANIFEST: members[MANIFEST] + b"\n"}


def no_signature(members: Members) -> Members:
    return {name: text for name, text in members.items() if name != SIGNATURE}


def bad_signature(members: Members) -> Members:
    signature = json.loads(members[SIGNATURE])
    return members | {SIGNATURE: canonical(signature | {"signature": "A" * 86 + "=="})}


def no_json(members: Members) -> Members:
    return members | {MANIFEST: b"[" * 100_000}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (swap, {STRUCTURE}),
        (drop, {names.SITE}),
        (add, {"report/extra.txt"}),
        (exchange, {names.TARIFFS, names.FACTORS}),
        (other_manifest, {MANIFEST}),
        (spaced_manifest, {MANIFEST}),
        (no_signature, {SIGNATURE}),
        (bad_signature, {MANIFEST}),
        (no_json, {MANIFEST}),
    ],
)
def test_fault_f101_a_rebuilt_archive_is_found_and_what_is_wrong_named(
    sealed: Sealed, tmp_path: Path, change: Callable[[Members], Members], named: set[str]
) -> None:
    # Headers, CRCs and directory fit: a forger wrote the archive anew with another content.
    forged = written(tmp_path / "forged.zip", change(members_of(sealed.made.path)))
    verdict = verify_pack(forged)
    assert not verdict.verified
    assert named <= files_of(verdict)


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"\0" + b, lambda b: b[: len(b) // 2]]
)
def test_fault_f101_a_longer_or_shorter_archive_is_found(
    sealed: Sealed, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    forged = tmp_path / "forged.zip"
    forged.write_bytes(change(sealed.made.path.read_bytes()))
    assert STRUCTURE in files_of(verify_pack(forged))


@pytest.mark.parametrize(
    "text", [b"", b"PK", b"no archive at all", b"PK\x03\x04" + b"\xff" * 60, b"PK\x05\x06" + b"\0" * 18]
)
def test_what_is_no_pack_is_said_and_never_a_crash(tmp_path: Path, text: bytes) -> None:
    other = tmp_path / "other.zip"
    other.write_bytes(text)
    verdict = verify_pack(other)
    assert not verdict.verified
    assert verdict.problems


def test_a_forger_with_a_key_of_their_own_is_told_by_the_people_file(sealed: Sealed, tmp_path: Path) -> None:
    forger = new_key(tmp_path / "keys", "forger")
    members = members_of(sealed.made.path)
    forged = written(tmp_path / "forged.zip", resealed(members, forger))
    assert verify_pack(forged).fingerprint != verify_pack(sealed.made.path).fingerprint
    known = People(people=(Person(person_id="project", name="P", roles=(), public_key=sealed.signer.public_key),))
    vouched = verify_pack(sealed.made.path, people=known)
    assert (vouched.verified, vouched.is_vouched) == (True, True)
    assert not verify_pack(sealed.made.path).is_vouched
    assert not verify_pack(forged, people=known).is_vouched
    assert files_of(verify_pack(forged, people=known)) == {SIGNATURE}
    assert files_of(verify_pack(forged, people=People())) == {SIGNATURE}


def forged_figure(members: Members) -> Members:
    """One figure's value raised, in the trace and in nothing else."""
    rows = [json.loads(line) for line in members[names.FIGURES].splitlines()]
    row = next(each for each in rows if each["figure"]["value"] is not None)
    row["figure"]["value"] = str(float(row["figure"]["value"]) + 1)
    return members | {names.FIGURES: b"".join(canonical(each) + b"\n" for each in rows)}


def forged_reading(members: Members) -> Members:
    """A lake file of another month in place of one: the same form, other readings."""
    lake = sorted(name for name in members if name.startswith(names.LAKE))
    return members | {lake[1]: members[lake[2]]}


def forged_site(members: Members) -> Members:
    text = members[f"{names.STORE}site_versions.json"].replace(b'"peak"', b'"pike"')
    return members | {f"{names.STORE}site_versions.json": text}


def forged_tariff(members: Members) -> Members:
    return members | {names.TARIFFS: members[names.TARIFFS].replace(b"0.26", b"0.16")}


def forged_content(members: Members) -> Members:
    return members | {names.CONTENT: members[names.CONTENT].replace(b"Compressed air", b"Compressed gas")}


def forged_batches(members: Members) -> Members:
    return members | {f"{names.STORE}batches.json": b'[{"batch_id":1,"surprise":2}]'}


def forged_digest(members: Members) -> Members:
    rows = json.loads(members[f"{names.STORE}lake_manifest.json"])
    rows[3]["content_sha256"] = "0" * 64
    return members | {f"{names.STORE}lake_manifest.json": canonical(rows)}


def forged_life(members: Members) -> Members:
    life = json.loads(members[names.LIFE])
    signed = {
        "action_sha256": hashlib.sha256(b"{}").hexdigest(),
        "kind": "reports review",
        "subject": "x@1",
        "person_id": "anna",
        "public_key": "A" * 43 + "=",
        "signature": "A" * 86 + "==",
        "action": "{}",
        "recorded_at_utc": "2025-01-01T00:00:00Z",
    }
    return members | {names.LIFE: canonical({**life, "signatures": [signed]})}


def odd_life(members: Members) -> Members:
    return members | {names.LIFE: b'{"signatures": 3}'}


def odd_figures(members: Members) -> Members:
    return members | {names.FIGURES: b'{"position": 1}\n'}


def odd_others(members: Members) -> Members:
    return members | {names.OTHERS: b"3\n"}


def other_others(members: Members) -> Members:
    row = json.loads(members[names.FIGURES].splitlines()[0]) | {"hash": "0" * 64}
    return members | {names.OTHERS: canonical(row) + b"\n"}


def odd_store(members: Members) -> Members:
    return members | {f"{names.STORE}batches.json": b"[" * 100_000}


def surprising_store(members: Members) -> Members:
    return {f"{names.STORE}a_table.json": b"[]", **members}


def no_batches(members: Members) -> Members:
    return {name: text for name, text in members.items() if name != f"{names.STORE}batches.json"}


def odd_parquet(members: Members) -> Members:
    """A lake file that is none, with a manifest row that fits it."""
    name = min(name for name in members if name.startswith(names.LAKE))
    rows = json.loads(members[f"{names.STORE}lake_manifest.json"])
    for row in rows:
        if names.LAKE + row["path"] == name:
            row["file_sha256"] = hashlib.sha256(b"PAR1 nonsense PAR1").hexdigest()
    return members | {name: b"PAR1 nonsense PAR1", f"{names.STORE}lake_manifest.json": canonical(rows)}


def other_bill(members: Members) -> Members:
    return {f"{names.BILLS}{'0' * 64}.csv": b"total,1", **members}


def no_table(members: Members) -> Members:
    return members | {f"{names.STORE}lake_manifest.json": b'{"a": 1}'}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (forged_figure, names.FIGURES),
        (forged_reading, names.LAKE),
        (forged_site, names.STORE),
        (forged_tariff, names.TARIFFS),
        (forged_content, names.CONTENT),
        (forged_batches, names.STORE[:-1]),
        (forged_digest, f"{names.STORE}lake_manifest.json"),
        (no_table, names.STORE[:-1]),
        (forged_life, names.LIFE),
        (odd_life, names.LIFE),
        (odd_figures, names.FIGURES),
        (odd_others, names.OTHERS),
        (other_others, names.OTHERS),
        (odd_store, f"{names.STORE}batches.json"),
        (surprising_store, names.STORE[:-1]),
        (no_batches, names.STORE),
        (odd_parquet, names.LAKE),
        (other_bill, names.BILLS),
    ],
)
def test_even_a_signed_forgery_is_found_by_what_the_pack_says_of_itself(
    sealed: Sealed, tmp_path: Path, change: Callable[[Members], Members], named: str
) -> None:
    forged = resealed(change(members_of(sealed.made.path)), new_key(tmp_path / "keys", "forger"))
    verdict = verify_pack(written(tmp_path / "forged.zip", forged), sample=None)
    assert not verdict.verified
    assert any(file.startswith(named) for file in files_of(verdict)), verdict.problems


def rendered(members: Members, kind: str) -> str:
    return next(name for name in members if name.startswith("report/enpi") and name.endswith(kind))


def other_code(members: Members) -> Members:
    """A pack that says that other code made it: what a forger would say, and what every pack of an old version says."""
    sums = json.loads(members[names.CHECKSUMS])
    return members | {names.CHECKSUMS: canonical(sums | {"reports/render/render_pdf.py": "0" * 64})}


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    """The members of a pack whose readings were others: a whole day less."""
    folder = tmp_path_factory.mktemp("another")
    rows = plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), skip=(("hvac", date(2025, 2, 2)),))
    used = make_world(folder / "world", rows=rows)
    yield members_of(seal(folder, used).made.path)
    used.lake.store.close()


@pytest.mark.parametrize("kind", ["pdf", "xlsx", "json"])
@pytest.mark.parametrize("claim", [dict, other_code], ids=["same code", "other code"])
def test_a_file_of_other_figures_in_a_resealed_pack_is_named(
    sealed: Sealed, another: Members, tmp_path: Path, kind: str, claim: Callable[[Members], Members]
) -> None:
    members = members_of(sealed.made.path)
    name = rendered(members, kind)
    forged = resealed(claim(members | {name: another[rendered(another, kind)]}), new_key(tmp_path / "keys", "forger"))
    verdict = verify_pack(written(tmp_path / "forged.zip", forged))
    assert files_of(verdict) == {name}
    (problem,) = verdict.problems
    assert "does not show what the content says" in problem.problem
    assert "stands in it only" in problem.problem


def test_a_file_of_the_same_words_and_another_picture_is_named_where_the_code_is_the_same(
    sealed: Sealed, tmp_path: Path
) -> None:
    members = members_of(sealed.made.path)
    name = rendered(members, "pdf")
    altered = members | {name: members[name] + b"\n"}
    forger = new_key(tmp_path / "keys", "forger")
    verdict = verify_pack(written(tmp_path / "forged.zip", resealed(altered, forger)))
    assert [(each.file, each.problem) for each in verdict.problems] == [
        (name, "is not the file that the content gives")
    ]
    # Of other code only the numbers can be compared, and that is said.
    older = verify_pack(written(tmp_path / "older.zip", resealed(other_code(altered), forger)))
    assert older.verified
    assert any("its numbers were compared" in each for each in older.findings)


def corrupt_book(members: Members) -> Members:
    """A sheet's packed bytes begin with a block type that there is not."""
    name = rendered(members, "xlsx")
    head, mark, packed = members[name].partition(b"xl/worksheets/sheet1.xml")
    return members | {name: head + mark + b"\xff" * 8 + packed[8:]}


def locked_book(members: Members) -> Members:
    """The directory says of every member that it is encrypted."""
    name = rendered(members, "xlsx")
    return members | {name: re.sub(rb"(PK\x01\x02.{4}).", b"\\1\x01", members[name], flags=re.DOTALL)}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (corrupt_book, "not a whole workbook (error)"),
        (locked_book, "not a whole workbook (RuntimeError)"),
        (lambda members: members | {rendered(members, "pdf"): b"%PDF-1.4 nothing"}, "not a whole PDF"),
        (lambda members: members | {rendered(members, "xlsx"): b"PK nothing"}, "not a whole workbook"),
        (lambda members: {k: v for k, v in members.items() if k != rendered(members, "pdf")}, "is missing"),
        (lambda members: {**members, "report/summary.pdf": b"%PDF"}, "is no file of this report"),
    ],
)
def test_a_file_that_is_broken_gone_or_one_too_many_is_named(
    sealed: Sealed, tmp_path: Path, change: Callable[[Members], Members], problem: str
) -> None:
    forged = resealed(dict(sorted(change(members_of(sealed.made.path)).items())), new_key(tmp_path / "keys", "forger"))
    verdict = verify_pack(written(tmp_path / "forged.zip", forged))
    assert [problem in each.problem for each in verdict.problems] == [True]


def test_a_pack_of_digests_says_that_readings_are_not_in_it(sealed: Sealed, tmp_path: Path) -> None:
    made = sealed.make(tmp_path / "digests.zip", policy="digests")
    verdict = verify_pack(made.path, sample=None, previous=sealed.made.path)
    assert verdict.verified
    assert 0 < verdict.recomputed < verdict.figures
    assert any("digests instead of readings" in finding for finding in verdict.findings)
    assert made.bytes < sealed.made.bytes


def test_packs_of_a_site_form_a_chain(world: MakeWorld, tmp_path: Path) -> None:
    first = seal(tmp_path, world())
    late_row(first.world)
    second = seal(tmp_path / "second", first.world)
    assert second.made.position == 2
    assert second.made.previous_sha256 == first.made.manifest_sha256
    assert verify_pack(second.made.path, previous=first.made.path).verified
    assert files_of(verify_pack(first.made.path, previous=second.made.path)) == {MANIFEST}
    assert files_of(verify_pack(second.made.path, previous=second.made.path)) == {MANIFEST}


def test_a_pack_whose_lake_file_is_gone_is_not_made(world: MakeWorld, tmp_path: Path) -> None:
    used = seal(tmp_path, world())
    entry = used.world.lake.manifest("plant")[0]
    (used.world.lake.root / entry["path"]).unlink()
    with pytest.raises(Unreachable, match=r"is missing, and no figure is made of it: ingest plant\.csv again"):
        used.make(tmp_path / "again.zip")
    assert not list(tmp_path.glob(".*.part"))


def test_figures_of_other_revisions_come_with_all_that_they_rest_on_and_a_missing_one_is_named(sealed: Sealed) -> None:
    def resting_on(figure_id: str) -> set[str]:
        asked = [{"figure_id": "new", "inputs": [{"kind": "figure", "id": figure_id}]}]
        return {row["figure_id"] for row in _others(asked, sealed.world.reports)}

    lines = [json.loads(line) for line in members_of(sealed.made.path)[names.FIGURES].splitlines()]
    below = {row["figure_id"]: {each["id"] for each in row["inputs"] if each["kind"] == "figure"} for row in lines}
    top = next(figure_id for figure_id, rests_on in below.items() if rests_on)
    assert {top, *below[top]} <= resting_on(top) < set(below)
    with pytest.raises(BadInput, match="figure nobody is named by a trace and not stored"):
        resting_on("nobody")


def test_the_directory_of_a_pack_has_one_form_only(sealed: Sealed, tmp_path: Path) -> None:
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members_of(sealed.made.path).items():
            archive.writestr(name, text)
    assert STRUCTURE in files_of(verify_pack(other))


@pytest.mark.parametrize(
    "name", ["../up", "/root", "a//b", "a/../b", ".hidden", "a\\b", "b" * 300, "", "ä", "a/", "a:b"]
)
def test_a_member_never_leaves_its_folder(tmp_path: Path, name: str) -> None:
    with (tmp_path / "x.zip").open("w+b") as file, pytest.raises(BadInput, match="cannot name a member"):
        ArchiveWriter(file).add(name, b"")
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"text")
    assert not read_archive(tmp_path / "y.zip").is_readable


def drawn(*strings: tuple[str, str]) -> bytes:
    """A page of strings in these fonts, each by itself, as a chart's words are drawn."""
    assert wide_glyphs(), "the wide fonts are not installed"
    buffer, x = io.BytesIO(), 60.0
    canvas = Canvas(buffer)
    for font, text in strings:
        canvas.setFont(font, 7)
        canvas.drawString(x, 700, text)
        x += canvas.stringWidth(text, font, 7)
    canvas.save()
    return buffer.getvalue()


def test_a_file_of_an_earlier_version_s_fonts_has_the_same_numbers() -> None:
    assert letters()
    earlier = drawn((WIDE, "−"), ("Helvetica", "1,000 "), (WIDE, "Ł"), ("Helvetica", "odz2025, 1.204,5 kWh"))
    assert numbers_in("pdf", earlier) == {"−1,000", "odz2025", "1.204,5"}
    assert numbers_in("pdf", drawn((FONT, "−1,000 Łodz2025, 1.204,5 kWh"))) == numbers_in("pdf", earlier)
    assert "1,000" in numbers_in("pdf", drawn((FONT, "1,000 Łodz2025, 1.204,5 kWh")))
