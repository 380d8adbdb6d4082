"""/check: strangers learn where a published report stands and whether a file is genuine, and nothing else."""

import asyncio
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.stores.published.publications import Decision, PublicationStore
from data_quality.contracts.settings import ServerSettings
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from orchestration.web.pages.check_pages import checked
from reports.evidence.checked_file import places
from reports.lifecycle.revise import content_sha256, stored_content
from reports.render.render_pdf import _code
from tests.reports.publish.conftest import REVISION, Desk, MakeDesk, desk
from tests.web.asking import HOST, PAGE, Answer, send
from tests.web.test_report_pages import LATER

__all__ = ["desk"]
UNKNOWN = {"state": "unknown", "name": "", "by": "", "is_synthetic": False}
STEM = f"{REVISION[:-2].replace('/', '_')}_r1"


@pytest.fixture
def out(desk: MakeDesk) -> Desk:
    """A project with a published and packed report."""
    used = desk()
    for words in (("reports", "review", REVISION, "--as", "anna"), ("reports", "publish", REVISION, "--as", "dirk")):
        assert used.run(*words)[0] == 0
    return used


@pytest.fixture
def project(out: Desk) -> Iterator[OpenProject]:
    found = OpenProject(str(out.folder))
    yield found
    found.close()


def ask(project: OpenProject, target: str, *, page: bool = False) -> Answer:
    app = make_app(project, clock=FixedClock(LATER), signed_in=lambda _: None)
    return asyncio.run(send(app, "GET", target, [PAGE] if page else []))


def drop(project: OpenProject, body: bytes, kind: str = "application/pdf", *, page: bool = False) -> Answer:
    app = make_app(project, clock=FixedClock(LATER), signed_in=lambda _: None)
    headers = [("content-type", kind), ("origin", f"http://{HOST}"), *([PAGE] if page else [])]
    return asyncio.run(send(app, "POST", "/check", headers, body))


def file(out: Desk, suffix: str) -> Path:
    return out.folder / "reports" / "published" / f"{STEM}.{suffix}"


def test_a_code_is_told_its_state_and_nothing_else(out: Desk, project: OpenProject) -> None:
    told = ask(project, f"/check?r={REVISION}")
    assert (told.status, told.said) == (200, UNKNOWN | {"state": "published", "name": REVISION})
    for unknown in ("enpi_quarter/plant/2025-Q1@2", "enpi_quarter/plant/2024-Q1@1", "x", "a@b", "%27%20or%201"):
        assert ask(project, f"/check?r={unknown}").said == {
            "state": "unknown",
            "name": "",
            "by": "",
            "is_synthetic": False,
        }
    shown = ask(project, f"/check?r={REVISION}", page=True).text
    assert "is published and is the newest" in shown
    assert not [name for name in ("Anna", "Dirk", "anna", "dirk") if name in shown]
    assert out.run("reports", "withdraw", REVISION, "--as", "dirk", "--reason", "wired wrongly")[0] == 0
    assert ask(project, f"/check?r={REVISION}").said["state"] == "withdrawn"
    assert "wired" not in ask(project, f"/check?r={REVISION}", page=True).text


def test_a_draft_is_unknown_to_strangers(desk: MakeDesk) -> None:
    found = OpenProject(str(desk().folder))
    assert ask(found, f"/check?r={REVISION}").said["state"] == "unknown"
    found.close()


@pytest.mark.parametrize("suffix", ["pdf", "xlsx", "json"])
def test_a_file_as_it_was_written_is_genuine(out: Desk, project: OpenProject, suffix: str) -> None:
    told = drop(project, file(out, suffix).read_bytes(), "application/octet-stream").said
    assert (told["verdict"], told["standing"]["name"], told["places"]) == ("genuine", REVISION, [])


def test_a_form_without_script_sends_it_too(out: Desk, project: OpenProject) -> None:
    data = file(out, "pdf").read_bytes()
    body = b'--XX\r\ncontent-disposition: form-data; name="file"; filename="r.pdf"\r\n\r\n' + data + b"\r\n--XX--\r\n"
    told = drop(project, body, "multipart/form-data; boundary=XX", page=True)
    assert "Genuine: the file is byte for byte as it was published." in told.text
    assert drop(project, b"--XX--\r\n", "multipart/form-data; boundary=XX").status == 400


def test_flipped_bits_are_altered_and_placed(out: Desk, project: OpenProject) -> None:
    whole, rng = file(out, "pdf").read_bytes(), random.Random(23)
    for at in range(200):
        bent = bytearray(whole)
        bent[rng.randrange(8, len(bent))] ^= 1 << rng.randrange(8)
        (out.folder / "bent.pdf").write_bytes(bent)
        assert places(str(out.folder / "bent.pdf"), str(file(out, "pdf")))
        if at % 20 == 0:
            found = checked(project, bytes(bent))
            assert (found.verdict, found.standing.name, bool(found.places)) == ("altered", REVISION, True)


def test_a_revision_that_another_took_the_place_of_is_superseded(desk: MakeDesk) -> None:
    used = desk()
    used.people(keys=False)
    found = OpenProject(str(used.folder))
    made = found.reports.get(REVISION[:-2], 1)
    for number in (1, 2):
        decision = Decision(
            report_id=made.report_id, revision=number, step="published", site_id=made.site_id, period=made.period,
            is_synthetic=False, person_id="dirk", role="publisher", reason="board", allowed={},
            content_sha256=made.content_sha256, recorded_at_utc=LATER,
        )  # fmt: skip
        PublicationStore(found.store).decide(decision, FixedClock(LATER))
    by = f"{REVISION[:-1]}2"
    assert ask(found, f"/check?r={REVISION}").said == {
        "state": "superseded",
        "name": REVISION,
        "by": by,
        "is_synthetic": False,
    }
    assert f"{REVISION} is superseded by {by}." in ask(found, f"/check?r={REVISION}", page=True).text
    found.close()


def test_the_square_code_opens_the_page_where_there_is_a_public_address(project: OpenProject) -> None:
    content = stored_content(project.reports, REVISION[:-2], 1)
    at = ServerSettings(public_url="https://energy.example/").check_at
    opened = content.model_copy(update={"versions": content.versions | at})
    codes = [_code(each).contents[0].value for each in (content, opened)]
    assert codes == [REVISION, "https://energy.example/check?r=enpi_quarter/plant/2025-Q1%401"]
    assert ServerSettings().check_at == {}
    assert content_sha256(opened) == content_sha256(content)


def test_a_changed_page_and_sheet_are_named(out: Desk, project: OpenProject, tmp_path: Path) -> None:
    bent = tmp_path / "bent.xlsx"
    with zipfile.ZipFile(file(out, "xlsx")) as old, zipfile.ZipFile(bent, "w") as new:
        for each in old.infolist():
            data = old.read(each)
            new.writestr(each, data.replace(b"<v>", b"<v>1", 1) if each.filename.endswith("sheet2.xml") else data)
    found = checked(project, bent.read_bytes())
    assert (found.verdict, found.places) == ("altered", ("sheet 2",))
    other = file(out, "json").read_bytes().replace(b'"kWh"', b'"MWh"', 1)
    found = checked(project, other)
    # Line by line a stranger could find out what is in it.
    assert (found.verdict, found.places) == ("altered", ())


def test_a_pack_is_genuine_altered_or_unknown(out: Desk, project: OpenProject) -> None:
    path = out.folder / "pack.zip"
    assert out.run("pack", REVISION, "--as", "dirk", "--out", str(path))[0] == 0
    whole = path.read_bytes()
    assert checked(project, whole).verdict == "genuine"
    bent = bytearray(whole)
    bent[len(bent) // 2] ^= 1
    found = checked(project, bytes(bent))
    assert (found.verdict, bool(found.places)) == ("altered", True)


def test_other_files_are_unknown_and_large_ones_refused(project: OpenProject) -> None:
    for body in (b"hello", b"%PDF-1.4 nothing", b"PK\x03\x04 nothing", b'{"a": 1}'):
        assert drop(project, body).said["verdict"] == "unknown"
    large = drop(project, b"%PDF" + bytes(16 << 20))
    assert (large.status, "at most 16 MB together" in large.said["detail"]) == (413, True)
    assert drop(project, b"").status == 400


def test_who_checks_many_files_waits(project: OpenProject) -> None:
    app = make_app(project, clock=FixedClock(LATER), signed_in=lambda _: None)
    headers = [("content-type", "application/pdf"), ("origin", f"http://{HOST}")]
    codes = [asyncio.run(send(app, "POST", "/check", headers, b"hello")).status for _ in range(21)]
    assert codes == [*[200] * 20, 429]
