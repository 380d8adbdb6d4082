"""Meter files through the browser: shown before anything is stored, taken in once, and refused in one sentence."""

import asyncio
import gzip
import html
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from assets.stores.foreign_database import source_sha256
from assets.stores.lake.merges import batches_of_source
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from orchestration.web.app import make_app
from orchestration.web.upload_store import KEPT_FOR
from orchestration.web.work import work_of
from tests.reports import plant
from tests.web.asking import PAGE, send
from tests.web.marts_world import VERA, Asking, make_project, plant_of_the_web
from tests.web.sending import file_of, sent
from tests.web.why_world import ANNE, posted

pytestmark = pytest.mark.slow
HEAD = "timestamp,meter,value_kwh\n"


def lost_day(share: float = 1.0) -> str:
    """The supply of a day that nobody read, as likely as its neighbours: no calculation puts an estimate over it."""
    quarters = [(hour, minute) for hour in range(24) for minute in (0, 15, 30, 45)]
    rows = [(f"{hour:02}:{minute:02}", share * (16 + (hour + minute / 15) % 4)) for hour, minute in quarters]
    return HEAD + "".join(f"2025-03-04T{at}:00+01:00,main,{value:.3f}\n" for at, value in rows)


# A day, and three rows that cannot be.
LOST_DAY = lost_day()
WRONG = LOST_DAY + "2025-03-05T00:00:00+01:00,main,-4.1\nnoon,main,1\n2025-03-05T01:00:00+01:00,nobody,1\n"


@pytest.fixture
def engineer(tmp_path: Path, jobs_wait: None) -> Iterator[Asking]:
    """The application as an engineer sees it."""
    project = make_project(tmp_path / "project", plant_of_the_web())
    (tmp_path / "project" / "people.yaml").write_text(
        "people: [{person_id: anne, name: Anne, roles: [analyst, engineer]}]\n"
    )
    yield Asking(project, FixedClock(plant.NOON), ANNE)
    project.close()


def preview(asking: Asking, content: str | bytes, name: str = "new.csv") -> str:
    """The page that the form leads to."""
    data = content if isinstance(content, bytes) else content.encode()
    answer = sent(asking, "/data/preview?site=plant", file_of(name, data))
    if answer.status != 303:
        return f"{answer.status} {html.unescape(answer.text)}"
    return html.unescape(asking.get(answer.headers["location"].partition("#")[0], [PAGE]).text)


def accept(asking: Asking, page: str) -> int:
    [kept] = re.findall(r'name="kept" value="(\w+)"', page)
    return posted(asking, "/data/accept?site=plant", form={"kept": kept}).status


def rows(asking: Asking) -> int:
    return asking.project.lake.current("plant").height


def test_a_file_is_shown_with_what_it_changes_and_taken_in_once(engineer: Asking) -> None:
    before = rows(engineer)
    page = preview(engineer, WRONG)
    assert "Preview: 96 new · 3 rejected" in page
    for said in (
        "rejected: negative consumption",
        "rejected: unknown meter",
        "rejected: bad timestamp",
        "Accept 96 rows",
    ):
        assert said in page
    assert rows(engineer) == before
    assert engineer.project.quarantine.items("plant") == []
    assert [accept(engineer, page) for _ in range(2)] == [303, 303]
    assert rows(engineer) == before + 96
    job = work_of(engineer.project).newest(("kpis", "--site", "plant"))
    assert job is not None
    assert job.words[-2:] == ("--period", "2025-03")
    assert len(engineer.project.quarantine.items("plant")) == 3
    again = preview(engineer, WRONG)
    assert "stored already, nothing changes" in again
    assert "Accept" not in again.replace("before you accept", "")
    corrected = preview(engineer, lost_day(0.99))
    assert "Preview: 96 corrected" in corrected
    assert "correction, was 16.000" in corrected


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"\x89PNG\r\n\x1a\n no meter", "photo.png", "Rejected"),
        (b"", "empty.csv", "Rejected"),
        # A table of a gigabyte of noughts, in a megabyte; packed by the test, and not by all who collect it.
        (lambda: gzip.compress(bytes(1 << 30), 1), "bomb.csv.gz", "Rejected"),
        ("timestamp,meter,value_kwh\nnoon,main,1\n", "none.csv", "Rejected"),
    ],
)
def test_what_is_no_meter_file_is_rejected_in_one_sentence_with_nothing_to_accept(
    engineer: Asking, content: str | bytes | Callable[[], bytes], name: str, said: str
) -> None:
    page = preview(engineer, content() if callable(content) else content, name)
    assert said in page
    assert name in page
    assert str(engineer.project.project.root) not in page
    assert "Accept " not in page


def test_files_are_refused_by_their_length_before_a_byte_of_them_is_read(engineer: Asking) -> None:
    app = make_app(engineer.project, clock=engineer.clock, signed_in=lambda _: (engineer.person, "token"))
    for length in (20 << 30, 65 << 20):
        head = [("content-type", "multipart/form-data; boundary=XX"), ("content-length", str(length)), PAGE]
        answer = asyncio.run(send(app, "POST", "/data/preview?site=plant", [*head, ("sec-fetch-site", "same-origin")]))
        assert answer.status == 413
        assert "at most 64 MB together; the command line takes larger ones" in answer.text


def test_an_upload_is_its_senders_and_waits_for_a_day(engineer: Asking) -> None:
    page = preview(engineer, LOST_DAY)
    vera = Asking(engineer.project, engineer.clock, VERA)
    assert sent(vera, "/data/preview?site=plant", file_of("new.csv", LOST_DAY.encode())).status == 403
    assert "Drop meter files" not in vera.get("/data", [PAGE], site="plant").text
    otto = Asking(engineer.project, engineer.clock, ANNE.model_copy(update={"person_id": "otto"}))
    assert accept(otto, page) == 404
    # Two people may have the same file: it comes in once.
    assert accept(otto, preview(otto, LOST_DAY)) == 303
    assert "stored already, nothing changes" in preview(engineer, LOST_DAY)
    later = Asking(engineer.project, FixedClock(plant.NOON + KEPT_FOR + timedelta(minutes=1)), ANNE)
    [kept] = re.findall(r'name="kept" value="(\w+)"', page)
    answer = later.get("/data", [PAGE], site="plant", kept=kept)
    assert (answer.status, "choose the file again" in answer.text) == (404, True)
    preview(later, LOST_DAY + "\n")
    assert len([*(later.project.project.data_dir / "uploads").glob("*/*")]) == 1


def acts(asking: Asking) -> dict[str, str]:
    """Addresses of what can be done about the quarantine, by reason."""
    page = html.unescape(asking.get("/data", [PAGE], site="plant").text)
    rows = page[page.index('id="quarantine"') :].split('<tr><th scope="row">')[1:]
    return {re.findall(r"<td>([a-z ]+)</td>", each)[0]: re.findall(r'action="([^"]+)"', each)[0] for each in rows}


def test_what_waits_in_quarantine_is_read_again_after_its_mending(engineer: Asking) -> None:
    accept(engineer, preview(engineer, WRONG))
    page = html.unescape(engineer.get("/data", [PAGE], site="plant").text)
    assert "3 rows in 1 files" in page
    assert "new.csv:98" in page
    assert "Check the direction of the meter" in page
    place = acts(engineer)["unknown meter"]
    answer = posted(engineer, place, form={})
    told = html.unescape(engineer.get(answer.headers["location"].partition("#")[0], [PAGE]).text)
    assert "nothing changed" in told
    file = engineer.project.project.sites_dir / "plant.yaml"
    site = json.loads(file.read_text())
    site["meters"].append({"meter_id": "nobody", "carrier": "electricity", "parent": "main"})
    file.write_text(json.dumps(site))
    answer = posted(engineer, place, form={})
    told = html.unescape(engineer.get(answer.headers["location"].partition("#")[0], [PAGE]).text)
    assert "these rows are stored" in told
    assert set(acts(engineer)) == {"bad timestamp", "negative consumption"}
    assert posted(engineer, place.replace("/retry", "/burn"), form={}).status == 404


def test_a_size_that_is_right_is_accepted_by_a_person_whom_the_batch_keeps(engineer: Asking) -> None:
    accept(engineer, preview(engineer, LOST_DAY))
    page = preview(engineer, lost_day(10))
    assert "Rejected" in page
    sent_whole = engineer.project.root + "/ten.csv"
    Path(sent_whole).write_text(lost_day(10))
    engineer.project.quarantine.keep_file(
        Path(sent_whole), BadInput("ten times", reason="scale_slip"), site_id="plant", clock=engineer.clock
    )
    assert posted(engineer, acts(engineer)["scale slip"], form={}).status == 303
    assert acts(engineer) == {}
    batches = batches_of_source(engineer.project.store, site_id="plant", source_sha256=source_sha256(Path(sent_whole)))
    assert [each["mapping"]["accepted_scale"] for each in batches] == [{"person_id": "anne"}]
