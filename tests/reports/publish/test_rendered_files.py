"""Rendered reports and packs against the digests that were kept when they were written."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import build_app
from tests.reports.publish.conftest import REVISION, Desk, MakeDesk


def doctor(used: Desk) -> dict[str, tuple[str, str]]:
    """Status and sentence of each check of the doctor."""
    done = CliRunner().invoke(build_app(("doctor",)), ["doctor", "--json", "--project", str(used.folder)])
    return {each["name"]: (each["status"], each["detail"]) for each in json.loads(done.stdout)["checks"]}


@pytest.fixture
def published(desk: MakeDesk) -> Desk:
    """A published report with its files and its pack."""
    used = desk()
    for step, person in (("review", "anna"), ("publish", "dirk")):
        assert used.run("reports", step, REVISION, "--as", person)[0] == 0
    assert used.run("pack", REVISION, "--as", "dirk")[0] == 0
    return used


def test_each_rendered_file_that_was_edited_is_named_and_rendered_again_it_is_whole(published: Desk) -> None:
    files = sorted(path for path in (published.folder / "reports").rglob("*_r1.*") if path.is_file())
    assert {path.suffix for path in files} == {".pdf", ".xlsx", ".json", ".zip"}
    assert doctor(published)["reports"] == ("ok", "4 rendered file(s) are as they were written")
    for path in files:
        was = path.read_bytes()
        path.write_bytes(was[:-9] + bytes([was[-9] ^ 1]) + was[-8:])
        name = path.relative_to(published.folder / "reports").as_posix()
        assert doctor(published)["reports"] == ("fail", f"edited since they were written: {name}")
        path.write_bytes(was)
    Path(files[0]).unlink()
    assert doctor(published)["reports"] == ("ok", "3 rendered file(s) are as they were written")


def test_a_file_that_this_program_did_not_render_is_told(published: Desk) -> None:
    (published.folder / "reports" / "enpi_quarter_plant_2025-Q1_r9.pdf").write_bytes(b"%PDF-1.4 of somebody")
    (published.folder / "reports" / "notes.pdf").write_bytes(b"%PDF-1.4 anybody's")
    status, said = doctor(published)["reports unknown"]
    assert (status, said.startswith("no digest is kept of enpi_quarter_plant_2025-Q1_r9.pdf: ")) == ("warn", True)
