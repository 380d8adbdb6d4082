"""The page docs/ems/mistakes.md, made from a run of every mistake in it: `python -m tests.mistakes_table`.

What one does, and the very words that the command answers with: a refusal in one sentence, or, where taking it is
right, a named warning. tests/test_mistakes.py holds the page against a run.
"""

import os
import re
import shlex
import sys
import tempfile
import zipfile
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import openpyxl
import yaml
from typer.testing import CliRunner

from orchestration.cli.frame import PROJECT_VARIABLE
from orchestration.cli.main import MODULES, build_app
from tests.reports.conftest import make_world
from tests.reports.test_store import report

PAGE = Path(__file__).resolve().parent.parent / "docs" / "ems" / "mistakes.md"
REVISION = "enpi_quarter/plant/2025-Q1@1"
APRIL, LONG_AGO = datetime(2025, 4, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)
PEOPLE = {"anna": ["approver", "reviewer"], "ben": ["analyst", "approver", "reviewer"], "dirk": ["publisher"]}
BILL = "Supplier,Stadtwerke\nInvoice number,4711\nPeriod from,2025-01-01\nTotal,1234.50\n"
TARIFF = "tariff_id: t\ncurrency: EUR\nvalid_from: 2024-01-01\nvalid_to: 2026-01-01\n"
TARIFF += "periods: [{period_id: all, price_per_kwh: 0.2}]\n"
TARGET = {"target": "less", "name": "Less", "measure": "scope1_kgco2e", "base_year": 2021, "base_kgco2e": 900}
TARGET |= {"reduction_percent": 42, "target_year": 2030, "source": "the board", "stated_on": "2022-05-01"}
RATE = {"percent": 6, "source": "the board", "stated_on": "2022-05-01"}
# When it is, is in a sentence about the future.
_NOW = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")


@dataclass(frozen=True)
class Mistake:
    """A mistake, its command, and a word of the answer. code: 1 is a check that failed, 0 taken with a warning."""

    what: str
    command: str
    word: str
    code: int = 2


MISTAKES = (
    Mistake("The site is misspelt", "kpis --site plnat --period 2025-Q1", "did you mean 'plant'?"),
    Mistake("A period is written 2025Q1", "kpis --site plant --period 2025Q1", "2025-Q1"),
    Mistake("Start and end are swapped", "kpis --site plant --period 2025-03-01/2025-01-01", "ends before it starts"),
    Mistake("--from and --to are swapped", "quality --site plant --from 2025-03-01 --to 2025-02-01", "is not after"),
    Mistake("A time is written in words", "reports list --as-of yesterday", "yesterday"),
    Mistake("KPIs of a quarter to come", "kpis --site plant --period 2044-Q1", "of the future"),
    Mistake("A footprint of a year to come", "carbon footprint --site plant --period 2044", "of the future"),
    Mistake("A report of a quarter to come", "report enpi_quarter --site plant --period 2044-Q1", "of the future"),
    Mistake("A report before the first reading", "report enpi_quarter --site plant --period 2019-Q1", "no readings"),
    Mistake("The period is left out", "report enpi_quarter --site plant", "--period"),
    Mistake("A report that there is not", "report energy --site plant --period 2025-Q1", "unknown report"),
    Mistake("A format that there is not", "report enpi_quarter --site plant --period 2025-Q1 --format docx", "docx"),
    Mistake("A grain that there is not", "kpis --site plant --period 2025-Q1 --grain week", "week"),
    Mistake("A use that there is not", "enpi --site plant --seu pumps --period 2025-Q1", "pumps"),
    Mistake("An option is misspelt", "kpis --site plant --perod 2025-Q1", "--period"),
    Mistake("A command is misspelt", "kpi --site plant", "kpis"),
    Mistake("The site is left out", "ingest plain.csv", "--site"),
    Mistake("The folder is no project", "kpis --site plant --period 2025-Q1 --project sites", "no Meterloom project"),
    Mistake("The project cannot be written", "next --project locked", "file is where a folder", 3),
    Mistake("Nobody is named who approves", "baseline approve plant/hvac/enb --reason ok", "--as PERSON"),
    Mistake("A person whom nobody knows", "baseline approve plant/hvac/enb --reason ok --as bob", "unknown person"),
    Mistake("A person without the role", "baseline approve plant/hvac/enb --reason ok --as dirk", "has not the role"),
    Mistake("One's own baseline", "baseline approve plant/moulding/enb --reason ok --as ben", "fitted"),
    Mistake("Approved a second time", "baseline approve plant/hvac/enb --reason ok --as anna", "approved"),
    Mistake("A baseline that there is not", "baseline approve plant/pumps/enb --reason ok --as anna", "baseline list"),
    Mistake("Published without a review", f"reports publish {REVISION} --as dirk", "not reviewed"),
    Mistake("A pack of a report that is not there", "pack enpi_quarter/plant/2024-Q4", "reports list"),
    Mistake("An event that there is not", "dr event show d2025", "id that starts with"),
    Mistake("The report of an event that there is not", "report dr_event --site plant --event d2025", "d2025"),
    Mistake("The report of an event without its event", "report dr_event --site plant --period 2025-01-05", "--event"),
    Mistake("A figure's id is mistyped", "trace 0000000000000000", "no figure"),
    Mistake("Another file is taken for a pack", "verify meters.zip", "no evidence pack", 1),
    Mistake("A key for a misspelt person", "keys new ana", "unknown person"),
    Mistake("A file that is not there", "sniff metres.csv", "no such file"),
    Mistake("A folder is taken for a file", "ingest sites --site plant", "directory"),
    Mistake("An empty file", "sniff empty.csv", "empty"),
    Mistake("A ZIP archive", "sniff meters.zip", "unpack"),
    Mistake("An old workbook", "sniff old.xls", ".xlsx"),
    Mistake("A scanned PDF", "sniff scan.pdf", "PDF"),
    Mistake("A tariff is taken for a meter file", "ingest tariff.yaml --site plant", "unknown format"),
    Mistake("A bill is taken for a meter file", "ingest bill.csv --site plant", "Supplier"),
    Mistake("A meter file is taken for a tariff", "tariff check plain.csv", "expected a tariff"),
    Mistake("A meter file is taken for a bill", "bill reconcile --bill plain.csv --tariff tariff.yaml", "label"),
    Mistake("Weather is taken for energy", "baseline fit --energy weather.csv --frequency daily --train 2025", "degc"),
    Mistake("Times without a zone", "sniff no_zone.csv", "--tz"),
    Mistake("A zone that there is not", "sniff no_zone.csv --tz Berlin", "Europe/Berlin"),
    Mistake("The month comes first", "sniff month_first.csv --tz Europe/Berlin", "day from month"),
    Mistake("An export in cp1252", "ingest cp1252.csv --site plant", "cp1252"),
    Mistake(
        "Column names stand over two rows",
        "ingest two_rows.xlsx --site plant --tz Europe/Berlin",
        "sniff two_rows.xlsx",
    ),
    Mistake("A second header inside the file", "sniff second_header.csv", "second header"),
    Mistake("A column appears twice", "sniff twice.csv", "twice"),
    Mistake("A column without its unit", "sniff no_unit.csv", "unit"),
    Mistake("A column map for other columns", "sniff plain.csv --map map.yaml", "Zeit"),
    Mistake("A meter that the site has not", "ingest unknown_meter.csv --site plant --dry-run", "mian"),
    Mistake("Two values for one time", "sniff two_values.csv", "duplicate_conflict", 0),
    Mistake("Readings of the future", "sniff future.csv", "a time that has been"),
    Mistake("Negative consumption", "sniff negative.csv", "negative"),
    Mistake("Decimal commas", "sniff comma.csv --tz Europe/Berlin", "sum", 0),
    Mistake("Wh under the name of kWh", "ingest wh.csv --site plant --dry-run", "unit"),
    Mistake("kWh under the name of MWh", "ingest mwh.csv --site plant --dry-run", "unit"),
    Mistake("kW under the name of kWh", "ingest kw.csv --site plant --dry-run", "is_it_kw", 0),
    Mistake("Days are missing", "quality --energy gaps.csv --tz UTC", "coverage 40", 0),
    Mistake(
        "A baseline of one month",
        "baseline fit --energy month.csv --weather month_weather.csv --frequency daily "
        "--train 2024-01-01/2024-02-01 --tz UTC",
        "period_too_short",
        0,
    ),
    Mistake(
        "Weather of another year",
        "baseline fit --energy month.csv --weather weather.csv --frequency daily "
        "--train 2024-01-01/2024-02-01 --tz UTC",
        "weather",
    ),
    Mistake(
        "A comparison group of two",
        "baseline savings --energy month.csv --weather month_weather.csv --frequency daily "
        "--train 2024-01-01/2024-01-20 --report 2024-01-20/2024-02-01 --tz UTC --comparison-group two.yaml",
        "needs 3 members or more",
    ),
    Mistake("Grams of carbon for kilograms", "init other --site grams.yaml", "kgco2e_per_kwh"),
    Mistake("A key of the site file is misspelt", "init other --site misspelt.yaml", "did you mean"),
    Mistake("A meter below one that there is not", "init other --site parent.yaml", "is not of this site"),
    Mistake("A report after the last reading", "report enpi_quarter --site plant --period 2025-Q2", "no readings"),
    Mistake("A draft from a file that is not there", "init other --from metres.csv", "metres.csv: no such file"),
    Mistake("A project is there already", "init .", "is a project already"),
    Mistake("A list is not closed", "init other --site unclosed.yaml", "close it with ]"),
    Mistake("A line is indented with a tab", "init other --site tab.yaml", "indent with blanks"),
    Mistake("A value with a colon", "init other --site colon.yaml", "in quotes"),
    Mistake("An id with capitals and blanks", "init other --site capitals.yaml", "did you mean 'my_plant'?"),
    Mistake("A unit is misspelt", "init other --site unit.yaml", "did you mean 'count'?"),
    Mistake("A target for the base year itself", "init other --site target.yaml", "is not after the base year"),
    Mistake("A target's share for its percent", "init other --site less.yaml", "a share? Then write 42"),
    Mistake("A discount rate as a share", "init other --site rate.yaml", "a share? Then write 6"),
    Mistake("A pack of a quarter", "report gri_2016 --site plant --period 2025-Q1", "year"),
    Mistake(
        "A pack of an organisation without its file", "report gri_2016 --organisation o --period 2024", "has no org"
    ),
    Mistake("A pack whose edition is over", "report cdp_2023 --site plant --period 2024", "2023"),
    Mistake(
        "An answer in another unit",
        "disclosure answer 305-1-a/other --pack gri_2016 --site plant --year 2024 --value 3 --unit kg --as ben",
        "is answered in t",
    ),
    Mistake("A carrier is misspelt", "init other --site carrier.yaml", "did you mean 'electricity'?"),
)


def quarters(value: str, start: datetime = APRIL, *, rows: int = 96, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """Rows of quarter hours with one value; `value` may hold more columns."""
    return "".join(f"{start + timedelta(minutes=15 * n):{form}},{value}\n" for n in range(rows))


def days(value: str, count: int = 31) -> str:
    """Rows of a month whose days differ; value: with a place for a digit."""
    return "".join(quarters(value.format(n * n % 9), LONG_AGO + timedelta(days=n)) for n in range(count))


def site_files(site: dict[str, Any]) -> dict[str, str]:
    """Site files with one mistake each. site: one without."""
    return {
        "grams.yaml": yaml.safe_dump(site | {"factors": [site["factors"][0] | {"kgco2e_per_kwh": 363.0}]}),
        "misspelt.yaml": yaml.safe_dump(site, sort_keys=False).replace("currency:", "curency:"),
        "unclosed.yaml": "site_id: plant\nforecast_targets: [main\nname: Plant\n",
        "tab.yaml": "site_id: plant\n\tname: Plant\n",
        "colon.yaml": "site_id: plant\nname: Plant: North\n",
        "capitals.yaml": yaml.safe_dump(site | {"site_id": "My Plant"}),
        "unit.yaml": yaml.safe_dump(site | {"drivers": [site["drivers"][0] | {"unit": "coun"}, *site["drivers"][1:]]}),
        "carrier.yaml": yaml.safe_dump(site).replace("meter_id: main\n", "meter_id: main\n  carrier: electricty\n", 1),
        "target.yaml": yaml.safe_dump(site | {"targets": [TARGET | {"target_year": 2021}]}),
        "less.yaml": yaml.safe_dump(site | {"targets": [TARGET | {"reduction_percent": 0.42}]}),
        "rate.yaml": yaml.safe_dump(site | {"discount_rate": RATE | {"percent": 0.06}}),
        "parent.yaml": yaml.safe_dump(site, sort_keys=False).replace("parent: main", "parent: mian", 1),
    }


TWO = "members: [{name: north, energy: north.csv}, {name: south, energy: south.csv}]\n"


def write_files(folder: Path) -> None:
    """The files that people hand in."""
    local = "%Y-%m-%d %H:%M"
    plain = "timestamp,kwh\n" + quarters("5.2")
    site = yaml.safe_load((folder / "sites" / "plant.yaml").read_text(encoding="utf-8"))
    texts = {
        "empty.csv": "",
        "plain.csv": plain,
        "no_zone.csv": "timestamp,kwh\n" + quarters("5.2", form=local),
        "month_first.csv": "timestamp,kwh\n" + quarters("5.2", form="%m/%d/%Y %H:%M"),
        "second_header.csv": plain + plain,
        "twice.csv": "timestamp,kwh,kwh\n" + quarters("5.2,5.3"),
        "no_unit.csv": "timestamp,consumption\n" + quarters("5.2"),
        "unknown_meter.csv": "timestamp,meter,kwh\n" + quarters("mian,5.2"),
        "two_values.csv": plain + quarters("9.9", rows=1),
        "future.csv": "timestamp,kwh\n" + quarters("5.2", datetime(2044, 1, 1, tzinfo=UTC)),
        "negative.csv": "timestamp,meter,kwh\n" + quarters("main,-5.2"),
        "comma.csv": "timestamp;kwh\n" + quarters("5;2", form=local).replace(",", ";").replace("5;2", "5,2"),
        "wh.csv": "timestamp,meter,kwh\n" + quarters("main,21412"),
        "mwh.csv": "timestamp,meter,mwh\n" + quarters("main,21.412"),
        "kw.csv": "timestamp,meter,kwh\n" + quarters("main,80.4"),
        "gaps.csv": "timestamp,kwh\n" + quarters("5.2") + quarters("5.4", APRIL + timedelta(days=4)),
        "month.csv": "timestamp,kwh\n" + days("5.{}"),
        "month_weather.csv": "timestamp,temp_degc\n" + days("4.{}"),
        "weather.csv": "timestamp,temp_degc\n" + quarters("11.5"),
        "two.yaml": TWO,
        "map.yaml": "timestamp: Zeit\nvalue: Wirkarbeit\nunit: kwh\n",
        "tariff.yaml": TARIFF,
        "bill.csv": BILL,
    }
    for name, text in (texts | site_files(site)).items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "cp1252.csv").write_bytes(("Zeit;Zähler [kWh]\n" + quarters("5").replace(",", ";")).encode("cp1252"))
    (folder / "scan.pdf").write_bytes(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n")
    (folder / "old.xls").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2048))
    with zipfile.ZipFile(folder / "meters.zip", "w") as archive:
        archive.writestr("meters.csv", plain)
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([None, "Energy", None])
    sheet.merge_cells("B1:C1")
    sheet.append(["Time", "main [kWh]", "hvac [kWh]"])
    for n in range(96):
        sheet.append([APRIL.replace(tzinfo=None) + timedelta(minutes=15 * n), 5.2, 1.1])
    book.save(folder / "two_rows.xlsx")
    (folder / "locked").mkdir()
    (folder / "locked" / "meterloom.yaml").write_text("paths: {}\n")
    (folder / "locked" / "sites").mkdir()
    (folder / "locked" / "sites" / "plant.yaml").write_text(yaml.safe_dump(site))
    (folder / "locked" / "people.yaml").write_text("people: []\n")
    # A file where a folder is to be: nothing can be written there, not even by root.
    (folder / "locked" / "var").write_text("")


def make_project(folder: Path) -> None:
    """The plant of the reports' tests, with readings of a quarter, two approved baselines and a stored report."""
    used = make_world(folder / "var", approved=("compressors", "hvac"))
    report(used)
    used.lake.store.close()
    (folder / "sites").mkdir()
    site = used.site.model_dump(mode="json", exclude_defaults=True)
    (folder / "sites" / "plant.yaml").write_text(yaml.safe_dump(site, sort_keys=False), encoding="utf-8")
    (folder / "meterloom.yaml").write_text("paths: {}\n", encoding="utf-8")
    people = [{"person_id": name, "name": name.title(), "roles": roles} for name, roles in PEOPLE.items()]
    (folder / "people.yaml").write_text(yaml.safe_dump({"people": people}), encoding="utf-8")
    write_files(folder)


def answer(mistake: Mistake) -> tuple[int, list[str]]:
    """Exit code, and the lines that a person reads: of a refusal those on standard error, else those with the word."""
    words = shlex.split(mistake.command)
    names = (words[0],) if words[0] in MODULES else tuple(MODULES)
    result = CliRunner().invoke(build_app(names), words)
    lines = [line.strip() for line in (result.stderr if mistake.code in (2, 3) else result.output).splitlines()]
    # Typer says how a command is called before it says what is wrong.
    lines = [line.removeprefix("Error: ") for line in lines if line and not line.startswith(("Usage:", "Try '"))]
    if mistake.code in (0, 1):
        lines = [line for line in lines if mistake.word in line][:1]
    here = f"{Path.cwd()}/"
    return result.exit_code, [_NOW.sub("(now)", line.replace(here, "")) for line in lines]


def answers() -> dict[str, tuple[int, list[str]]]:
    """Answer to every mistake, in a project of their own."""
    with tempfile.TemporaryDirectory() as name, chdir(name), patch.dict(os.environ):
        os.environ.pop(PROJECT_VARIABLE, None)
        make_project(Path(name).resolve())
        return {each.what: answer(each) for each in MISTAKES}


def page(found: dict[str, tuple[int, list[str]]]) -> str:
    """The page's text."""
    lines = [
        "# Mistakes, and what is said to them",
        "",
        "Generated by `python -m tests.mistakes_table` from a run; do not edit. The commands stand in the folder of a "
        "project with the site `plant`. A refusal is one sentence and exit code 2, a check that failed has 1, "
        "what nobody can reach or write 3, and what is taken with a warning has 0; nothing is taken in silence.",
        "",
        "| What one does | Command `meterloom …` | Code | What it says |",
        "|---|---|---|---|",
    ]
    for each in MISTAKES:
        code, said = found[each.what]
        text = " ".join(said).replace("|", "\\|").replace("<", "&lt;")
        lines.append(f"| {each.what} | `{each.command}` | {code} | {text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(answers()), encoding="utf-8")
    sys.exit(0)
