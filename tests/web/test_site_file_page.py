"""A site file edited as text: faults by place and nothing saved with one, two editors, texts before, and who may."""

import asyncio
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from assets.sites.edit_site import text_versions
from assets.stores.web.audit_events import newest_events
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.web.app import make_app
from tests.reports import plant
from tests.web.asking import PAGE, Answer, send
from tests.web.marts_world import VERA, Asking, make_project, plant_of_the_web
from tests.web.test_signed_acts import code
from tests.web.why_world import posted

ED = Person(person_id="ed", name="Ed", roles=(Role.ENGINEER,))
AT = "/settings/sites/plant"
TEXT = "/api/v1/ems/sites/plant/text"
SITE = """\
# Our plant <b>
site_id: plant
name: Plant
time_zone: Europe/Berlin
currency: EUR
country: DE
meters:
  - {meter_id: main}
"""


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[Asking]:
    project = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False, has_readings=False)
    root = project.project.root
    (root / "people.yaml").write_text("people: [{person_id: ed, name: Ed, roles: [engineer]}]\n")
    path_of(Asking(project, FixedClock(plant.NOON), ED)).write_text(SITE)
    yield Asking(project, FixedClock(plant.NOON), ED)
    project.close()


def path_of(asking: Asking) -> Path:
    return asking.project.project.sites_dir / "plant.yaml"


def seen_in(answer: Answer) -> str:
    [seen] = re.findall(r'name="seen" value="(\w+)"', answer.text)
    return str(seen)


def text_in(answer: Answer) -> str:
    [text] = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", answer.text, re.DOTALL)
    return html.unescape(text)


def save(asking: Asking, text: str, seen: str) -> Answer:
    # As browsers send it.
    return posted(asking, AT, form={"text": text.replace("\n", "\r\n"), "seen": seen}, accept="text/html")


def test_a_text_is_saved_as_it_was_written_and_the_one_before_is_kept(asking: Asking) -> None:
    opened = asking.get(AT, [PAGE])
    assert text_in(opened) == SITE
    after = SITE.replace("name: Plant", "name: Plant 2  # renamed")
    answer = save(asking, after, seen_in(opened))
    assert (answer.status, answer.headers["location"]) == (303, f"{AT}?saved=1")
    assert path_of(asking).read_bytes() == after.encode()
    assert asking.project.site("plant").name == "Plant 2"
    [kept] = text_versions(asking.project.project.site_texts_dir / "plant")
    assert (kept.person_id, kept.at_utc) == ("ed", plant.NOON)
    older = asking.get(AT, [PAGE], version=kept.name)
    assert text_in(older) == SITE
    assert save(asking, text_in(older), seen_in(older)).status == 303
    assert path_of(asking).read_text() == SITE
    [last, first] = [each for each in newest_events(asking.project.store) if each["route"] == "/settings/sites/{site}"]
    assert re.fullmatch(r"plant \w{12} \w{12}", last["subject"])
    assert last["subject"].split()[2] == first["subject"].split()[1]
    assert asking.get(AT, [PAGE], version="../../people.yaml").status == 404


@pytest.mark.parametrize(
    ("wrong", "place", "said"),
    [
        ("meters: [{meter_id: main, parnet: x}]", (7, 27), "did you mean &#39;parent&#39;?"),
        ("meters: [{meter_id: main}", (8, 1), "not valid YAML"),
        ("meters: [{meter_id: main, parent: nobody}]", (7, 27), "nobody"),
        ("meters: [{meter_id: main}]\nassets: [{asset_id: b, kind: nonsense}]", (8, 24), "nonsense"),
    ],
)
def test_a_fault_is_shown_with_its_place_and_nothing_is_saved(
    asking: Asking, wrong: str, place: tuple[int, int], said: str
) -> None:
    text = SITE.replace("meters:\n  - {meter_id: main}", wrong)
    answer = save(asking, text, seen_in(asking.get(AT, [PAGE])))
    assert answer.status == 422
    assert text_in(answer) == text
    assert said in answer.text
    line, column = place
    assert re.search(rf'<th scope="row">{line}</th>\s*<td>{column}</td>', answer.text), answer.text
    assert path_of(asking).read_text() == SITE
    assert text_versions(asking.project.project.site_texts_dir / "plant") == []
    # The lock of the folder's one writer stays in it: NFS has no other way.
    assert sorted(each.name for each in path_of(asking).parent.iterdir()) == [".lock", "plant.yaml"]


def test_a_site_keeps_its_id_and_no_two_tariffs_hold_on_one_day(asking: Asking) -> None:
    seen = seen_in(asking.get(AT, [PAGE]))
    assert "readings are kept by it" in save(asking, SITE.replace("site_id: plant", "site_id: other"), seen).text
    tariff = (
        "{tariff_id: %s, currency: EUR, valid_from: 2025-01-01, charges: [{charge_id: e, kind: energy, price: 0.3}]}"
    )
    both = f"{SITE}tariffs:\n  - {tariff % 'a'}\n  - {tariff % 'b'}\n"
    assert save(asking, both, seen).status == 422
    assert path_of(asking).read_text() == SITE


def test_of_two_editors_the_later_is_told_and_neither_text_is_lost(asking: Asking) -> None:
    first, second = asking.get(AT, [PAGE]), asking.get(AT, [PAGE])
    theirs, mine = SITE.replace("name: Plant", "name: Theirs"), SITE.replace("name: Plant", "name: Mine")
    assert save(asking, theirs, seen_in(first)).status == 303
    answer = save(asking, mine, seen_in(second))
    assert answer.status == 412
    assert path_of(asking).read_text() == theirs
    assert text_in(answer) == mine
    assert "name: Theirs" in answer.text
    # Having seen both, they may save over it.
    assert save(asking, mine, seen_in(answer)).status == 303
    assert path_of(asking).read_text() == mine
    assert len(text_versions(asking.project.project.site_texts_dir / "plant")) == 2
    assert code(posted(asking, AT, form={"text": SITE})) == (428, "no_if_match")


def test_line_ends_byte_order_mark_and_rights_of_the_file_stay(asking: Asking) -> None:
    path = path_of(asking)
    path.write_bytes(b"\xef\xbb\xbf" + SITE.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    opened = asking.get(AT, [PAGE])
    assert text_in(opened) == SITE
    assert save(asking, SITE.replace("Plant\n", "P\n"), seen_in(opened)).status == 303
    assert path.read_bytes() == b"\xef\xbb\xbf" + SITE.replace("Plant\n", "P\n").replace("\n", "\r\n").encode()
    assert path.stat().st_mode & 0o777 == 0o640


def test_who_may_not_write_sites_sees_and_saves_none(asking: Asking) -> None:
    for who in (VERA, Person(person_id="ada", name="Ada", roles=(Role.ADMIN,))):
        other = Asking(asking.project, asking.clock, who)
        assert other.get(AT, [PAGE]).status == 403
        assert save(other, SITE, "x").status == 403
    elsewhere = Asking(asking.project, asking.clock, ED.model_copy(update={"sites": ("other",)}))
    assert elsewhere.get(AT, [PAGE]).status == 404
    assert save(elsewhere, SITE, "x").status == 404


BROKEN = SITE.replace("currency: EUR", "curency: EUR")


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (BROKEN, "plant", "did you mean &#39;currency&#39;?"),
        (SITE + "meters: [", "plant", "not valid YAML"),
        ("just a word", "plant", "Faults"),
        (BROKEN.replace("site_id: plant\n", ""), "plant", "site_id"),
        ("", "plant", "is missing"),
    ],
)
def test_a_file_that_is_broken_already_is_shown_with_its_faults_and_mended(
    asking: Asking, text: str, name: str, said: str
) -> None:
    path_of(asking).write_text(text)
    assert asking.get("/energy", [PAGE]).status == 503
    assert f'href="/settings/sites/{name}"' in asking.get("/settings", [PAGE]).text
    opened = asking.get(AT, [PAGE])
    assert (opened.status, text_in(opened), said in opened.text) == (200, text, True), opened.text
    assert "Fehler werden englisch genannt" not in asking.get(AT, [PAGE], locale="de").text
    answer = save(asking, text + "# looked at\n", seen_in(opened))
    assert (answer.status, path_of(asking).read_text()) == (422, text)
    assert "site_id stays" in save(asking, SITE.replace("plant", "other"), seen_in(opened)).text
    assert save(asking, SITE, seen_in(opened)).status == 303
    assert (path_of(asking).read_text(), asking.project.site("plant").name) == (SITE, "Plant")
    assert len(text_versions(asking.project.project.site_texts_dir / "plant")) == 1
    assert save(asking, SITE, seen_in(opened)).status == 412


def test_a_broken_file_is_mended_by_who_sees_all_sites_and_no_other_is_reached(asking: Asking) -> None:
    path_of(asking).write_text(BROKEN)
    limited = Asking(asking.project, asking.clock, ED.model_copy(update={"sites": ("plant",)}))
    for path in (AT, "/settings"):
        assert limited.get(path, [PAGE]).status == 503
    assert save(limited, SITE, "x").status == 503
    assert Asking(asking.project, asking.clock, VERA).get(AT, [PAGE]).status == 403
    beside = path_of(asking).parent / "other.yaml"
    beside.write_text(SITE.replace("site_id: plant", "site_id: other"))
    for wanted in ("other", "nowhere", "..", "people", "meterloom"):
        assert asking.get(f"/settings/sites/{wanted}", [PAGE]).status in (404, 503)
    path_of(asking).write_bytes(b"site_id: plant\nname: \xff\n")
    # What is no text is no text to edit.
    assert asking.get(AT, [PAGE]).status == 422
    assert path_of(asking).read_bytes() == b"site_id: plant\nname: \xff\n"


def test_the_text_before_of_a_broken_file_can_be_opened_and_saved(asking: Asking) -> None:
    assert save(asking, SITE.replace("name: Plant", "name: P"), seen_in(asking.get(AT, [PAGE]))).status == 303
    path_of(asking).write_text(BROKEN)
    [kept] = text_versions(asking.project.project.site_texts_dir / "plant")
    older = asking.get(AT, [PAGE], version=kept.name)
    assert (older.status, text_in(older)) == (200, SITE)
    assert save(asking, SITE, seen_in(older)).status == 303
    assert asking.project.site("plant").name == "Plant"


def put(asking: Asking, text: str, seen: str = "", **more: str) -> Answer:
    app = make_app(asking.project, clock=asking.clock, signed_in=lambda _: (asking.person, "token"))
    headers = [("content-type", "application/json"), ("x-csrf", "token"), ("sec-fetch-site", "same-origin")]
    headers += [("if-match", seen)] if seen else []
    target = f"{TEXT}?{urlencode(more)}" if more else TEXT
    return asyncio.run(send(app, "PUT", target, headers, json.dumps({"text": text}).encode()))


def test_a_program_replaces_the_text_that_it_read_and_no_other(asking: Asking) -> None:
    read = asking.get(TEXT)
    assert read.said == {"site": "plant", "text": SITE}
    tag, after = read.headers["etag"], SITE.replace("name: Plant", "name: Plant 2")
    assert code(put(asking, after)) == (428, "no_if_match")
    saved = put(asking, after, tag)
    assert saved.status == 200
    assert path_of(asking).read_text() == after
    # Who read it before is told, and nothing is lost.
    assert code(put(asking, SITE, tag)) == (412, "changed_since")
    assert path_of(asking).read_text() == after
    assert put(asking, SITE, saved.headers["etag"]).status == 200
    assert len(text_versions(asking.project.project.site_texts_dir / "plant")) == 2


def test_a_text_with_faults_is_refused_whole_with_each_by_its_line(asking: Asking) -> None:
    wrong = BROKEN.replace("country: DE", "country: Germany")
    tag = asking.get(TEXT).headers["etag"]
    answer = put(asking, wrong, tag)
    assert code(answer) == (422, "faulty_text")
    assert [each["line"] for each in answer.said["errors"]] == ["5", "6"]
    assert answer.said["errors"][0]["mend"] == "did you mean 'currency'?"
    assert path_of(asking).read_text() == SITE
    german = put(asking, wrong, tag, locale="de").said
    assert german["detail"] == "Nicht gespeichert: Der Text hat Fehler."
    assert german["errors"][0]["mend"] == "meinten Sie 'currency'?"


def test_who_may_not_write_sites_reads_and_puts_no_text(asking: Asking) -> None:
    other = Asking(asking.project, asking.clock, VERA)
    assert (other.get(TEXT).status, put(other, SITE, "x").status) == (403, 403)
    elsewhere = Asking(asking.project, asking.clock, ED.model_copy(update={"sites": ("other",)}))
    assert (elsewhere.get(TEXT).status, put(elsewhere, SITE, "x").status) == (404, 404)
