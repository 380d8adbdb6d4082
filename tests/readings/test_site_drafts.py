"""`init --from` writes a site that loads, asks what the files do not say where the answer goes, and reads them."""

import json
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from typer.testing import CliRunner

from assets.sites.load_sites import load_site
from orchestration.cli.main import build_app
from tests.readings.ordinary_files import local_starts
from tests.readings.test_ordinary_files import hours

SAMPLES = Path(__file__).parent / "samples"
TARIFF = """tariff_id: flat
currency: CHF
valid_from: 2024-01-01
valid_to: 2027-01-01
periods: [{period_id: all, price_per_kwh: 0.22}]
"""


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """A wide workbook with local times, a German CSV in kW, a weather file, a tariff; across the end of summer time."""
    book, power, weather, tariff = (tmp_path / name for name in ("hallen.xlsx", "netz.csv", "wetter.csv", "t.yaml"))
    with xlsxwriter.Workbook(book) as workbook:
        sheet, form = workbook.add_worksheet("Lastgang"), workbook.add_format({"num_format": "dd.mm.yyyy hh:mm"})
        sheet.write_row(0, 0, ["Lastgang Werk Nord"])
        sheet.write_row(2, 0, ["Zeitstempel", "Halle 1 [kWh]", "Halle 2 [kWh]", "Gas Kessel [m³]"])
        for n, start in enumerate(local_starts(10, 60)):
            sheet.write_datetime(3 + n, 0, start.replace(tzinfo=None), form)
            sheet.write_row(3 + n, 1, [n % 7 + 0.25, n % 5 + 0.5, n % 3])
    power.write_bytes(
        ("Datum;Uhrzeit;Leistung [kW]\n" + hours("{t};{n},5", "%d.%m.%Y;%H:%M", month=10)).encode("cp1252")
    )
    weather.write_bytes(("Zeit;Außentemperatur [°C]\n" + hours("{t};{n},1", month=10)).encode("cp1252"))
    tariff.write_text(TARIFF)
    return [book, power, weather, tariff]


def run(*words: object) -> Any:
    app = build_app(("init", "ingest", "check"))
    return CliRunner().invoke(app, [str(word) for word in words])


def test_ordinary_files_become_a_site_that_reads_them(files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "werk_nord"
    made = run("init", folder, "--from", *files, "--tz", "Europe/Zurich", "--json")
    assert made.exit_code == 0, made.stderr
    site = load_site(folder / "sites" / "werk_nord.yaml")
    assert (site.time_zone, site.country, site.currency) == ("Europe/Zurich", "CH", "CHF")
    assert [meter.meter_id for meter in site.meters] == ["halle_1", "halle_2", "gas_kessel", "main"]
    assert [meter.carrier.value for meter in site.meters].count("natural_gas") == 1
    assert [(driver.driver_id, driver.unit) for driver in site.drivers] == [("outdoor_degc", "degc")]
    assert [tariff.tariff_id for tariff in site.tariffs] == ["flat"]
    assert site.seus[0].meters == ("main",)
    assert run("check", "--project", folder).exit_code == 0
    found = json.loads(run("ingest", *files[:3], "--site", "werk_nord", "--project", folder, "--json").stdout)
    assert [(file["verdict"], file["accepted_rows"]) for file in found["files"]] == [
        ("accept", 3 * 97),
        ("accept", 97),
        ("accept", 97),
    ]


def test_each_open_question_is_a_comment_where_its_answer_goes(files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "werk"
    found = json.loads(run("init", folder, "--from", *files[:2], "--json").stdout)
    lines = (folder / "sites" / "werk.yaml").read_text().splitlines()
    questions = {lines[each["line"] - 1].strip().lstrip("# ").split(":")[0] for each in found["questions"]}
    assert {"time_zone", "zone", "country", "floor_area_m2", "meters"} <= questions
    for each in [each for each in found["questions"] if each["is_marked"]]:
        assert each["question"] in lines[each["line"] - 1]
    # Nothing was taken for granted: without its zone no file is read.
    assert load_site(folder / "sites" / "werk.yaml").column_maps[0].zone is None
    refused = run("ingest", files[1], "--site", "werk", "--project", folder, "--json")
    assert json.loads(refused.stdout)["files"][0]["reasons"] == {"no_zone": 1}


def test_a_column_without_a_unit_waits_for_it(tmp_path: Path) -> None:
    path, folder = tmp_path / "wert.csv", tmp_path / "p"
    path.write_text("Zeit;Halle 3\n" + hours("{t};{n},5"))
    assert run("init", folder, "--from", path, "--tz", "Europe/Berlin").exit_code == 0
    text = (folder / "sites" / "p.yaml").read_text()
    assert '# "Halle 3": halle_3 # PLACEHOLDER: what does "Halle 3" count?' in text
    assert run("ingest", path, "--site", "p", "--project", folder).exit_code == 2
    text = text.replace("# values:", "values:").replace('# "Halle 3": halle_3 #', '"Halle 3": halle_3 #')
    (folder / "sites" / "p.yaml").write_text(text.replace("    # units:", '    units: {"Halle 3": kwh}'))
    assert run("ingest", path, "--site", "p", "--project", folder).exit_code == 0


def test_a_column_that_waits_for_its_unit_is_no_gap_of_its_site(tmp_path: Path) -> None:
    path, folder = tmp_path / "stahl.csv", tmp_path / "p"
    rows = "Zeit;Bezug_kWh;Blindleistung_kVarh;Leistungsfaktor\n" + hours("{t};{n},5;{n},25;98")
    path.write_text(rows)
    assert run("init", folder, "--from", path, "--tz", "Europe/Berlin").exit_code == 0
    file = folder / "sites" / "p.yaml"
    [supply] = load_site(file).meters
    # A register of the one meter, so that its power factor is known.
    kinds = {each.register_id: each.unit for each in supply.registers}
    assert kinds == {"import": "kwh", "reactive_import": "kvarh"}
    assert load_site(file).seus[0].meters == (supply.meter_id,)
    assert run("ingest", path, "--site", "p", "--project", folder).exit_code == 0
    text = file.read_text()
    for line in (
        "- meter_id: leistungsfaktor   # together with its column below",
        '  name: "Leistungsfaktor"',
        "  carrier",
    ):
        text = text.replace(f"  # {line}", f"  {line}")
    text = text.replace('# "Leistungsfaktor": leistungsfaktor #', '"Leistungsfaktor": leistungsfaktor #')
    file.write_text(text.replace("    units:", '    units:\n      "Leistungsfaktor": kwh', 1))
    assert [each.meter_id for each in load_site(file).meters][1:] == ["leistungsfaktor"]
    assert run("ingest", path, "--site", "p", "--project", folder).exit_code == 0


def test_the_question_about_a_column_of_counter_states_names_the_kind_of_its_register(tmp_path: Path) -> None:
    path, folder = tmp_path / "statistics.csv", tmp_path / "p"
    rows = [
        f"2025-03-{1 + n // 24:02}T{n % 24:02}:00Z,{12000 + 0.3 * n + n % 5 / 100:.2f},{n % 7}.5" for n in range(240)
    ]
    path.write_text("\n".join(["start,state,load", *rows]) + "\n")
    assert run("init", folder, "--from", path, "--tz", "Europe/Berlin").exit_code == 0
    lines = (folder / "sites" / "p.yaml").read_text().splitlines()
    query = {name: line for name in ("state", "load") for line in lines if f'what does "{name}" count?' in line}
    assert query["state"].endswith("it never falls: states of a counter, whose register wants kind: cumulative")
    assert "cumulative" not in query["load"]


@pytest.mark.parametrize(
    "text",
    [
        "Zeit;Zähler;Wert\n" + hours("{t};A;{n},5\n{t};B;{n},5"),
        "Tag;00:00;06:00;12:00;18:00\n" + "".join(f"{day}.01.2025;1,5;2;4;8\n" for day in range(11, 15)),
    ],
    ids=["long", "by the clock"],
)
def test_a_table_whose_unit_nobody_says_is_refused_until_it_is_said(text: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "wert.csv", tmp_path / "p"
    path.write_text(text)
    assert run("init", folder, "--from", path, "--tz", "Europe/Berlin").exit_code == 0
    refused = run("ingest", path, "--site", "p", "--project", folder)
    assert refused.exit_code == 2
    assert "unit '?'" in refused.stderr
    site = folder / "sites" / "p.yaml"
    site.write_text(site.read_text().replace('unit: "?"', "unit: kwh"))
    assert run("ingest", path, "--site", "p", "--project", folder).exit_code == 0


def test_a_unit_that_the_size_of_the_values_contradicts_is_asked_for(tmp_path: Path) -> None:
    path, folder = tmp_path / "wert.csv", tmp_path / "p"
    path.write_text("Zeit;Halle 3 [kWh]\n" + hours("{t};9{n}0"))
    assert run("init", folder, "--from", path, "--tz", "Europe/Berlin").exit_code == 0
    assert "kwh as it says, or wh as numbers of this size mostly do?" in (folder / "sites" / "p.yaml").read_text()
    assert load_site(folder / "sites" / "p.yaml").column_maps[0].values == {}


def test_files_of_several_meters_that_only_their_names_tell_are_several_meters(tmp_path: Path) -> None:
    names = ["zaehler_4711_2024.csv", "zaehler_4711_2025.csv", "zaehler_4712_2025.csv"]
    for at, name in enumerate(names):
        (tmp_path / name).write_text("von;bis;Energie in kWh\n" + hours("{t};{t};{n}," + str(at)))
    assert run("init", tmp_path / "p", "--from", *(tmp_path / name for name in names)).exit_code == 0
    site = load_site(tmp_path / "p" / "sites" / "p.yaml")
    assert [meter.meter_id for meter in site.meters] == ["zaehler_4711", "zaehler_4712"]
    assert [each.match for each in site.column_maps] == ["zaehler_4711_*.csv", "zaehler_4712_*.csv"]


@pytest.mark.parametrize("name", ["dsmr_v5_four.txt", "nem12_two_channels.csv", "espi_quarters.xml", "dsmr_v5_one.txt"])
def test_formats_that_name_their_meters_give_them(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    assert run("init", folder, "--from", SAMPLES / name).exit_code == 0
    assert run("check", "--project", folder).exit_code == 0
    found = json.loads(run("ingest", SAMPLES / name, "--site", "p", "--project", folder, "--json").stdout)
    assert found["files"][0]["rejected_rows"] == 0


def test_files_that_make_no_site_together_are_one_sentence(files: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(TARIFF.replace("CHF", "EUR").replace("flat", "other"))
    result = run("init", tmp_path / "p", "--from", *files[1:], other)
    assert result.exit_code == 2
    assert result.stderr.startswith("these files make no site together: tariff 'other' is in EUR")
    assert not (tmp_path / "p").exists()


def test_nothing_is_overwritten_and_a_wrong_file_leaves_nothing_behind(files: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "p"
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    refused = run("init", folder, "--from", files[0], picture)
    assert refused.exit_code == 2
    assert "a.png" in refused.stderr
    assert not folder.exists()
    assert run("init", folder, "--from", files[0]).exit_code == 0
    before = (folder / "sites" / "p.yaml").read_text()
    second = run("init", folder, "--from", files[1])
    assert second.exit_code == 2
    assert "is a project already" in second.stderr
    assert (folder / "sites" / "p.yaml").read_text() == before
