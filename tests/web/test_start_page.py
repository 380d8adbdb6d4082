"""An empty project: files make a site with its first figures, once, and nothing half."""

import html
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from assets.stores.ledgers.bill_ledger import BillStore
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.starter.project_files import make_project
from orchestration.web.work import work_of
from tests.bills.test_read_bill import HEAD, LINES, SUMS, pdf
from tests.web.asking import PAGE
from tests.web.marts_world import VERA, Asking
from tests.web.sending import file_of, sent
from tests.web.why_world import posted

pytestmark = pytest.mark.slow
NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
ME = Person(person_id="me", name="Me", roles=(Role.ENGINEER, Role.ANALYST))
QUARTERS = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 15, 30, 45)]
METERS = "Zeit;Netz (kWh);Halle (kWh)\n" + "".join(
    f"0{day}.03.2025 {at};{day},500;1,250\n" for day in range(1, 8) for at in QUARTERS
)
SITE = {"name": "Werk Süd", "time_zone": "Europe/Berlin", "currency": "EUR", "floor_area_m2": "6200"}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Asking]:
    """A project as `meterloom init` makes it, as its first person sees it."""
    make_project(tmp_path / "project")
    project = OpenProject(str(tmp_path / "project"))
    yield Asking(project, FixedClock(NOW), ME)
    project.close()


def shown(asking: Asking, *files: tuple[str, bytes]) -> str:
    zone = ('name="time_zone"', b"Europe/Berlin")
    answer = sent(asking, "/start/files", zone, *files)
    assert answer.status == 303, answer.text
    return html.unescape(asking.get(answer.headers["location"], [PAGE]).text)


def confirm(asking: Asking, page: str, **changes: str) -> tuple[int, str]:
    [kept] = re.findall(r'name="kept" value="(\w+)"', page)
    answer = posted(asking, "/start/confirm", form={**SITE, "kept": kept, **changes})
    return answer.status, html.unescape(answer.text)


def sites(asking: Asking) -> list[str]:
    return sorted(each.name for each in asking.project.project.sites_dir.iterdir())


def test_files_become_a_site_with_its_readings_and_figures_once(empty: Asking) -> None:
    assert empty.get("/").headers["location"] == "/start"
    page = shown(empty, file_of("export.csv", METERS.encode()), file_of("photo.png", b"\x89PNG\r\n\x1a\n"))
    for said in ("2 found, 0 to check", "Netz (kWh)", "672 readings", "Confirm 2 meters", "Rejected"):
        assert said in page
    # What is only shown is stored nowhere.
    assert sites(empty) == ["my_site.yaml"]
    assert [confirm(empty, page)[0] for _ in range(2)] == [303, 303]
    assert sites(empty) == ["werk_s_d.yaml"]
    site = empty.project.site("werk_s_d")
    assert (site.name, site.floor_area_m2) == ("Werk Süd", 6200)
    assert empty.project.lake.current("werk_s_d").height == 2 * 672
    job = work_of(empty.project).newest(("kpis", "--site", "werk_s_d"))
    assert job is not None
    outcome = job.wait(300)
    assert outcome is not None
    assert outcome.exit_code == 0, outcome.said
    answer = empty.get("/start", [PAGE], made="werk_s_d")
    assert (answer.status, answer.headers["location"]) == (303, "/energy?site=werk_s_d")
    assert empty.get("/", [PAGE]).headers["location"].startswith("/board/")


@pytest.mark.usefixtures("jobs_wait")
def test_bills_and_meter_files_come_together_and_the_bills_are_stored_and_checked_once(
    empty: Asking, tmp_path: Path
) -> None:
    rows = [line.split(",") for line in (HEAD + LINES + SUMS).splitlines() if line]
    lines = [f"{row[0]}: {row[1]}" if len(row) == 2 else " ".join(filter(None, row)) for row in rows]
    bill = pdf(tmp_path / "april.pdf", lines).read_bytes()
    files = (file_of("export.csv", METERS.encode()), file_of("april.pdf", bill), file_of("empty.pdf", b"%PDF-1.4\n"))
    page = shown(empty, *files)
    for said in ("2 found, 0 to check", "1 April 2024 to 1 May 2024 (excluded), 120.00 £", "Rejected", "empty.pdf"):
        assert said in page
    assert bills_of(empty) == []
    assert [confirm(empty, page)[0] for _ in range(2)] == [303, 303]
    [stored] = bills_of(empty)
    assert stored["invoice"] == "X-1"
    # Who stores no bills is told so, and makes the site without them.
    alone = Asking(empty.project, empty.clock, ME.model_copy(update={"person_id": "eva", "roles": (Role.ENGINEER,)}))
    assert "bills are stored by analysts" in shown(alone, *files)
    # A bill alone makes no site.
    page = shown(empty, file_of("april.pdf", bill))
    assert "120.00" in page
    assert "form-confirm" not in page


def bills_of(asking: Asking) -> list[dict[str, object]]:
    store = BillStore(asking.project.project.data_dir / "bills", asking.project.store)
    return [dict(each) for each in store.bills("werk_s_d")]


SPRING = "Zeit;Netz (kWh)\n" + "".join(f"31.03.2024 {at};2,500\n" for at in QUARTERS)
TWO_WAYS = SPRING.replace("31.03.2024", "02/03/2025")


@pytest.mark.usefixtures("jobs_wait")
@pytest.mark.parametrize(
    ("text", "asked", "name", "answer", "first"),
    [
        (SPRING, "4 of the times lie in the hour", "column.zone", "Etc/GMT-1", "2024-03-30T23"),
        (TWO_WAYS, "whether the day or the month", "column.date_format", "%d/%m/%Y %H:%M", "2025-03-01T23"),
    ],
)  # fmt: skip
def test_what_the_times_leave_open_is_answered_on_the_page(
    empty: Asking, text: str, asked: str, name: str, answer: str, first: str
) -> None:
    page = shown(empty, file_of("export.csv", text.encode()))
    for said in ("1 found, 1 to check", "No readings", asked, f'name="{name}"'):
        assert said in page
    status, told = confirm(empty, page)
    assert (status, "go back" in told) == (422, True)
    assert sites(empty) == ["my_site.yaml"]
    assert confirm(empty, page, **{name: answer})[0] == 303
    stored = empty.project.lake.current("werk_s_d")["interval_start_utc"]
    assert (len(stored), f"{stored.min():%Y-%m-%dT%H}") == (text.count("2,500"), first)


@pytest.mark.usefixtures("jobs_wait")
def test_a_site_is_made_whole_or_not_at_all(empty: Asking) -> None:
    page = shown(empty, file_of("export.csv", METERS.encode()))
    for changes, status, said in (
        ({"name": ""}, 422, "a site needs a name and a time zone"),
        ({"time_zone": "Mars/North"}, 422, "Mars/North"),
        ({"currency": "money"}, 422, "three capital letters"),
    ):
        found, text = confirm(empty, page, **changes)
        assert (found, said in text) == (status, True), text
    assert sites(empty) == ["my_site.yaml"]
    assert empty.project.lake.current("my_site").is_empty()
    assert confirm(empty, page)[0] == 303
    # A second person with the same name is told so; with another, there is another site.
    other = Asking(empty.project, empty.clock, ME.model_copy(update={"person_id": "otto"}))
    page = shown(other, file_of("other.csv", METERS.replace("Halle", "Turm").encode()))
    found, text = confirm(other, page)
    assert (found, "choose another name" in text) == (409, True)
    assert confirm(other, page, name="Turm")[0] == 303
    assert sites(empty) == ["turm.yaml", "werk_s_d.yaml"]


def test_what_is_no_meter_file_is_rejected_with_its_reason(empty: Asking) -> None:
    page = shown(empty, file_of("photo.png", b"\x89PNG\r\n\x1a\n"))
    assert "Rejected" in page
    assert "form-confirm" not in page
    assert str(empty.project.project.root) not in page


def test_who_sets_no_site_up_is_not_led_to_it(empty: Asking) -> None:
    vera = Asking(empty.project, empty.clock, VERA)
    assert vera.get("/start", [PAGE]).status == 403
    assert vera.get("/", [PAGE]).headers["location"].startswith("/board/")


# A column of times that is called so nowhere, beside a number that looks like one, and no unit.
FOREIGN = "Stempel;Menge;Lauf\n" + "".join(f"04.03.2025 um {at};100,5;2\n" for at in QUARTERS)
MAP = {
    "timestamp": "Stempel", "value": "Menge", "meter": "Halle 3", "of": "", "unit": "kwh", "zone": "Europe/Berlin",
    "format": "%d.%m.%Y um %H:%M",
}  # fmt: skip


@pytest.mark.usefixtures("jobs_wait")
@pytest.mark.parametrize("other", [(), (file_of("other.csv", METERS.encode()),)])
def test_columns_that_are_not_recognised_are_mapped_and_make_a_site(
    empty: Asking, other: tuple[tuple[str, bytes], ...]
) -> None:
    page = shown(empty, file_of("export.csv", FOREIGN.encode()), *other)
    assert "Map columns of export.csv" in page
    assert '<option value="Stempel"' in page
    page = mapped(empty, page, "export.csv", **MAP)
    assert ("Halle 3" in page, "96 readings" in page, "Map columns of" in page) == (True, True, False)
    assert confirm(empty, page)[0] == 303
    assert empty.project.site("werk_s_d").column_maps[0].timestamp == "Stempel"
    stored = empty.project.lake.current("werk_s_d").filter(pl.col("meter_id") == "halle_3")
    assert (stored.height, stored["value"].sum()) == (96, 96 * 100.5)


@pytest.mark.usefixtures("jobs_wait")
def test_columns_that_are_taken_for_others_are_mapped_otherwise(empty: Asking) -> None:
    page = shown(empty, file_of("export.csv", METERS.encode()))
    [address] = re.findall(r'href="(/start[^"#]*map=export.csv)', page)
    page = html.unescape(empty.get(address, [PAGE]).text)
    proposed = mapped(empty, page, "export.csv", **MAP | {"timestamp": "Zeit", "value": "", "unit": "", "format": ""})
    assert "2 found" in proposed
    assert proposed.count("672 readings") == 2
    page = mapped(
        empty, page, "export.csv", **MAP | {"timestamp": "Zeit", "value": "Halle (kWh)", "format": "%d.%m.%Y %H:%M"}
    )
    assert "1 found" in page
    assert confirm(empty, page)[0] == 303
    assert [each.name for each in empty.project.site("werk_s_d").meters] == ["Halle 3"]


def mapped(asking: Asking, page: str, file: str, **form: str) -> str:
    kept = re.findall(r'name="kept" value="(\w+)"', page)[0]
    answer = posted(asking, "/start/map", form={"kept": kept, "file": file, **form})
    assert answer.status == 303, answer.text
    return html.unescape(asking.get(answer.headers["location"], [PAGE]).text)
