"""A foreign table in the browser: refused as it is, its columns mapped by a person, shown, accepted."""

import html
import re
from pathlib import Path

import pytest

from data_quality.contracts.yaml_file import yaml_text
from tests.e2e.conftest import call_here
from tests.web.asking import PAGE, Answer
from tests.web.marts_world import VERA, Asking
from tests.web.test_reading_upload import accept, engineer, preview, rows
from tests.web.why_world import posted

__all__ = ["engineer"]
pytestmark = pytest.mark.slow
# Local times, a value whose column names no unit, and nobody's name of a meter.
FOREIGN = "Datum;Menge;Bemerkung\n" + "".join(
    f"04.03.2025 {hour:02}:{minute:02};100,5;\n" for hour in range(24) for minute in (0, 15, 30, 45)
)
MAP = {
    "file": "export.csv", "timestamp": "Datum", "value": "Menge", "meter": "main", "of": "", "unit": "kwh",
    "zone": "Europe/Berlin", "format": "%d.%m.%Y %H:%M",
}  # fmt: skip


def mapped(asking: Asking, page: str, **form: str) -> Answer:
    [kept] = set(re.findall(r'name="kept" value="(\w+)"', page))
    return posted(asking, "/data/map?site=plant", form={"kept": kept, **MAP, **form})


def shown(asking: Asking, answer: Answer) -> str:
    assert answer.status == 303, answer.text
    return html.unescape(asking.get(answer.headers["location"].partition("#")[0], [PAGE]).text)


def test_a_refused_table_is_mapped_shown_and_taken_in_once(engineer: Asking) -> None:
    before = rows(engineer)
    refused = preview(engineer, FOREIGN, "export.csv")
    assert "Map columns of export.csv" in refused
    assert '<option value="Menge"' in refused
    assert "Accept 96 rows" not in refused
    page = shown(engineer, mapped(engineer, refused))
    assert "Preview: 96 new" in page
    assert "Map columns" not in page
    assert rows(engineer) == before
    assert [accept(engineer, page) for _ in range(2)] == [303, 303]
    assert rows(engineer) == before + 96
    assert engineer.project.quarantine.items("plant") == []
    # The box was not checked.
    assert engineer.project.site("plant").column_maps == ()
    assert "stored already, nothing changes" in shown(engineer, mapped(engineer, refused))


def test_a_table_with_a_column_of_meters_is_mapped(engineer: Asking) -> None:
    content = FOREIGN.replace("Bemerkung", "Ort").replace(";100,5;\n", ";100,5;main\n")
    page = shown(engineer, mapped(engineer, preview(engineer, content, "export.csv"), meter="", of="Ort"))
    assert "Preview: 96 new" in page


@pytest.mark.parametrize(
    ("head", "at", "form"),
    [
        ("Datum;Uhrzeit", "04.03.2025;{hour:02}:{minute:02}", {}),
        ("Jahr;Monat;Tag;Stunde;Min", "2025;3;4;{hour};{minute}", {"timestamp": "Jahr", "format": ""}),
    ],
)
def test_a_time_in_several_columns_stays_one_where_the_value_is_chosen_by_hand(
    engineer: Asking, head: str, at: str, form: dict[str, str]
) -> None:
    times = [at.format(hour=hour, minute=minute) for hour in range(24) for minute in (0, 15, 30, 45)]
    content = f"{head};Menge;Art\n" + "".join(f"{each};100,5;x\n" for each in times)
    page = shown(engineer, mapped(engineer, preview(engineer, content, "export.csv"), **form))
    assert "Preview: 96 new" in page


def test_a_map_that_does_not_read_the_file_is_mapped_again(engineer: Asking) -> None:
    refused = preview(engineer, FOREIGN, "export.csv")
    page = shown(engineer, mapped(engineer, refused, timestamp="Bemerkung"))
    assert "Rejected" in page
    assert '<option value="Bemerkung" selected' in page
    assert "Preview: 96 new" in shown(engineer, mapped(engineer, page))


@pytest.mark.parametrize(("field", "value", "sentence"), [
    ("timestamp", "Datun", "Time column: export.csv has no column 'Datun'; its columns are Datum, Menge"),
    ("value", "Wert", "Value column: export.csv has no column 'Wert'"),
    ("unit", "kwhh", "unknown unit 'kwhh'"), ("zone", "Europe/Berlyn", "unknown time zone 'Europe/Berlyn'"),
    ("meter", "nobody", "Meter: 'nobody' is not of this site"), ("file", "other.csv", "is in this upload"),
])  # fmt: skip
def test_what_is_no_column_unit_zone_or_meter_is_named_in_one_sentence(
    engineer: Asking, field: str, value: str, sentence: str
) -> None:
    refused = preview(engineer, FOREIGN, "export.csv")
    answer = mapped(engineer, refused, **{field: value})
    assert answer.status in (400, 404, 422)
    assert sentence in html.unescape(answer.said["detail"]), answer.text


def test_a_column_that_is_none_is_named_in_the_language_of_the_page(engineer: Asking) -> None:
    [kept] = set(re.findall(r'name="kept" value="(\w+)"', preview(engineer, FOREIGN, "export.csv")))
    form = {"kept": kept, **MAP, "timestamp": "Datun"}
    page = posted(engineer, "/data/map?site=plant&locale=de", form=form, accept="text/html").text
    assert "Zeitspalte: export.csv hat keine Spalte 'Datun'" in re.sub("[\u2066-\u2069]", "", html.unescape(page))


@pytest.mark.parametrize(("field", "value", "sentence"), [
    ("unit", "xyzzy", "unbekannte Einheit 'xyzzy'; erlaubt sind"), ("unit", "kwhh", "unbekannte Einheit 'kwhh'"),
    ("zone", "Europe/Berlyn", "unbekannte Zeitzone 'Europe/Berlyn'; erwartet wird ein IANA-Name"),
])  # fmt: skip
def test_units_and_zones_that_are_none_are_named_in_the_language_of_the_page(
    engineer: Asking, field: str, value: str, sentence: str
) -> None:
    [kept] = set(re.findall(r'name="kept" value="(\w+)"', preview(engineer, FOREIGN, "export.csv")))
    form = {"kept": kept, **MAP, field: value}
    page = posted(engineer, "/data/map?site=plant&locale=de", form=form, accept="text/html").text
    assert sentence in re.sub("[\u2066-\u2069]", "", html.unescape(page))


def test_a_map_is_of_its_sender_who_may_send_readings(engineer: Asking) -> None:
    refused = preview(engineer, FOREIGN, "export.csv")
    assert mapped(Asking(engineer.project, engineer.clock, VERA), refused).status == 403
    otto = Asking(engineer.project, engineer.clock, engineer.person.model_copy(update={"person_id": "otto"}))
    assert mapped(otto, refused).status == 404


def test_a_file_in_quarantine_is_mapped_and_no_longer_waits(engineer: Asking, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    file.write_text(FOREIGN)
    words = ("ingest", str(file), "--site", "plant", "--project", str(engineer.project.root))
    assert call_here(*words)[0] == 2
    before, [item] = rows(engineer), engineer.project.quarantine.items("plant", is_open=True)
    listed = html.unescape(engineer.get("/data", [PAGE], site="plant").text)
    assert f"/data/quarantine/{item['item_id']}/map" in listed
    page = shown(engineer, posted(engineer, f"/data/quarantine/{item['item_id']}/map?site=plant", form={"x": ""}))
    page = shown(engineer, mapped(engineer, page))
    assert accept(engineer, page) == 303
    assert rows(engineer) == before + 96
    assert engineer.project.quarantine.items("plant", is_open=True) == []


def test_a_map_is_written_to_the_site_file_for_later_files_where_the_box_is_checked(engineer: Asking) -> None:
    file = engineer.project.project.sites_dir / "plant.yaml"
    # A list on one line takes no item: nothing is accepted, and the page leads on.
    page = shown(engineer, mapped(engineer, preview(engineer, FOREIGN, "export.csv")))
    [kept] = re.findall(r'name="kept" value="(\w+)"', page)
    refused = posted(engineer, "/data/accept?site=plant", form={"kept": kept, "later.map": "on"})
    assert (refused.status, "without the box" in refused.text) == (422, True)
    assert preview(engineer, FOREIGN, "export.csv").count("Stored") == 0
    # As a person writes it.
    file.write_text(yaml_text(engineer.project.site("plant").model_dump(mode="json", exclude_defaults=True)))
    before = file.read_text()
    page = shown(
        engineer, mapped(engineer, preview(engineer, FOREIGN, "export_2025-03.csv"), file="export_2025-03.csv")
    )
    assert re.search(r'<input type="checkbox" name="later.map" checked>Use for later files', page)
    assert "export_*.csv" in page
    [kept] = re.findall(r'name="kept" value="(\w+)"', page)
    answers = [posted(engineer, "/data/accept?site=plant", form={"kept": kept, "later.map": "on"}) for _ in range(2)]
    assert [each.status for each in answers] == [303, 303], answers[0].text
    [stored] = engineer.project.site("plant").column_maps
    assert (stored.match, stored.timestamp, stored.values) == ("export_*.csv", "Datum", {"Menge": "main"})
    # The text before is kept, by whom.
    [text] = (engineer.project.project.site_texts_dir / "plant").iterdir()
    assert (text.read_text(), text.name.split(".")[-2]) == (before, "anne")
    later = preview(engineer, FOREIGN.replace("04.03.2025", "05.03.2025"), "export_2025-04.csv")
    assert "Preview: 96" in later
    assert "Map columns" not in later
