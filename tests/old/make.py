"""Makes the archive of a project as the checked-out revision makes it: `python -m tests.old.make OUT_FOLDER`.

Run it from the root of a clean checkout, with that checkout's interpreter. Everything a person does goes through
`meterloom`; only what a device would do to the ledger goes through functions. See README.md beside.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tests.old import devices

ZONE = ZoneInfo("Europe/Berlin")
YEAR, QUARTER, LAST, END = date(2024, 1, 1), date(2025, 1, 1), date(2025, 3, 1), date(2025, 4, 1)
REPORT = "enpi_quarter/works/2025-Q1"
# Everything else is made again from these: marts, warehouse, the histories of Dagster and MLflow.
KEPT = (
    "meterloom.yaml", "people.yaml", "sites", "keys", "known",
    "var/lake", "var/store.db", "var/definitions", "var/anchors",
)  # fmt: skip

SITE = """\
site_id: works
name: Works
time_zone: Europe/Berlin
currency: EUR
country: DE
floor_area_m2: 1500
floor_area_definition: GIA
meters:
  - {meter_id: main, name: Main meter, connected_load_kw: 200}
  - {meter_id: line, name: Line, parent: main, connected_load_kw: 150}
drivers:
  - {driver_id: parts, unit: count, aggregation: sum}
  - {driver_id: outdoor_degc, unit: degc, aggregation: mean}
seus:
  - seu_id: line
    name: Line
    meters: [line]
    drivers:
      - {driver_id: parts, justification: the line follows the parts}
      - {driver_id: outdoor_degc, justification: the hall is heated by it}
    baseline: {start: 2024-01-01, end: 2025-01-01}
tariffs:
  - {tariff_id: flat, valid_from: 2020-01-01, valid_to: 2030-01-01, periods: [{period_id: all, price_per_kwh: 0.21}]}
  - {tariff_id: night, valid_from: 2010-01-01, valid_to: 2020-01-01, periods: [{period_id: all, price_per_kwh: 0.19}]}
factors:
  - {factor_id: grid, kgco2e_per_kwh: 0.38, valid_from: 2024-01-01, valid_to: 2026-01-01, source: invented}
premises:
  products: [{product_id: parts, driver: parts}]
  occupants: [{persons: 45}]
"""
ROLES = {"anna": "approver, reviewer", "ben": "analyst", "carla": "engineer, operator", "dirk": "publisher"}
FACTORS = "scope,activity,unit,kg_co2e_per_unit,year\n2,electricity,kWh,0.381,2024\n2,electricity,kWh,0.352,2025\n"


class Maker:
    """One project folder, and what its commands answered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: object, person: str = "", ok: tuple[int, ...] = (0,)) -> Any:
        """One `meterloom` command on the project; its JSON. Raises RuntimeError where it fails."""
        line = [sys.executable, "-c", "from orchestration.cli.main import main; main()", *map(str, words)]
        line += ["--project", str(self.folder), "--json", *(["--as", person] if person else [])]
        done = subprocess.run(line, check=False, capture_output=True, text=True)
        if done.returncode not in ok:
            raise RuntimeError(f"{' '.join(map(str, words))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        sys.stderr.write(f"done: {line[3:]}\n")
        return json.loads(done.stdout)


def days(start: date, end: date) -> Iterator[tuple[date, float, float]]:
    """Local days with their parts and their mean temperature in degC: a formula of the date, no random numbers."""
    for index in range((start - YEAR).days, (end - YEAR).days):
        day = YEAR + timedelta(days=index)
        parts = 250.0 if day.weekday() >= 5 else 900.0 + 37 * (index * 7 % 13)
        yield day, parts, round(10 - 10 * math.cos(2 * math.pi * index / 365.25) + (index * 5 % 11) / 2 - 2.5, 1)


def write_csv(path: Path, start: date, end: date) -> Path:
    """Quarter hours of the meters over local days [start, end), with offsets and one decimal."""
    lines = ["meter,timestamp,kwh"]
    for day, parts, degc in days(start, end):
        kwh = 300 + 0.08 * parts + 5 * max(16 - degc, 0) + (day.toordinal() * 3 % 7 - 3)
        for name, share in {"main": 1.25, "line": 1.0}.items():
            moment = datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)
            while (local := moment.astimezone(ZONE)).date() == day:
                shape = 1.2 if 6 <= local.hour < 18 else 0.8
                lines.append(f"{name},{local.isoformat()},{kwh * share * shape / 96:.1f}")
                moment += timedelta(minutes=15)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_drivers(path: Path, start: date, end: date) -> Path:
    """Hours of parts and temperature over local days [start, end)."""
    lines = ["timestamp,parts,outdoor_degc"]
    for day, parts, degc in days(start, end):
        moment = datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)
        while (local := moment.astimezone(ZONE)).date() == day:
            made = parts / 10 if 7 <= local.hour < 17 else 0
            lines.append(f"{local.isoformat()},{made:g},{degc}")
            moment += timedelta(hours=1)
    path.write_text("\n".join(lines) + "\n")
    return path


def make(folder: Path) -> dict[str, Any]:
    """Make the project in `folder`; answers what it printed."""
    maker = Maker(folder)
    site = folder.parent / "works.yaml"
    site.write_text(SITE)
    maker.run("init", folder, "--site", site)
    devices.write_home(folder)
    give_keys(maker)
    known = folder / "known"
    known.mkdir()
    outside = folder.parent
    files = [write_csv(outside / "history.csv", YEAR, LAST), write_drivers(outside / "drivers.csv", YEAR, END)]
    maker.run("ingest", *files, write_csv(known / "march.csv", LAST, END), "--site", "works")
    edit = ("--meter", "line", "--at", "2025-02-03T10:00", "--value", "6.5", "--reason", "read from the display")
    maker.run("readings", "edit", "--site", "works", *edit, person="carla")
    factors = outside / "factors.csv"
    factors.write_text(FACTORS)
    maker.run("factors", "add", factors, "--tenant", "works")
    span = ("--from", "2025-01-01", "--to", "2025-07-01", "--reason", "by contract")
    maker.run("bill", "override", "ACC-7", "--site", "works", "--tariff", "night", *span, person="ben")
    maker.run("baseline", "fit", "--site", "works", person="ben")
    for each in maker.run("baseline", "list", "--site", "works")["baselines"]:
        name = each["id"]
        maker.run("baseline", "approve", name, "--reason", "statistics reviewed", person="anna")
    maker.run("report", "enpi_quarter", "--site", "works", "--period", "2025-Q1", "--format", "json", person="ben")
    maker.run("reports", "review", f"{REPORT}@1", person="anna")
    maker.run("reports", "publish", f"{REPORT}@1", person="dirk")
    maker.run("pack", f"{REPORT}@1", "--inputs", "digests", "--out", outside / "pack.zip", person="dirk")
    dispatch(maker)
    return printed(maker)


def give_keys(maker: Maker) -> None:
    """The people file, with a key for each."""

    def write(keys: dict[str, str]) -> None:
        lines = [
            f"  - {{person_id: {name}, name: {name.title()}, roles: [{roles}]{keys.get(name, '')}}}"
            for name, roles in ROLES.items()
        ]
        (maker.folder / "people.yaml").write_text("people:\n" + "\n".join(lines) + "\n")

    write({})
    write({name: f', public_key: "{maker.run("keys", "new", name)["public_key"]}"' for name in ROLES})


def dispatch(maker: Maker) -> None:
    """Modes by a named person, a plan, its commands through their states, and a fault that stays latched."""
    mode = ("dispatch", "mode")
    maker.run(*mode, "ADVISORY", "--site", "home", "--reason", "first look", person="carla")
    maker.run(*mode, "PARTIAL", "--site", "home", "--reason", "commissioned", person="carla")
    devices.act(maker.folder)
    maker.run(*mode, "ADVISORY", "--site", "home", "--reason", "a fault is latched", person="carla")


def printed(maker: Maker) -> dict[str, Any]:
    """Figures by id, statuses, modes, approvals and commands: a later revision must find them again."""
    (report,) = (maker.folder / "reports").glob("*_r1.json")
    kpis = maker.run("kpis", "--site", "works", "--period", "2025-03")["rows"]
    return {
        "figures": {each["figure_id"]: each["exact_value"] for each in json.loads(report.read_text())["figures"]},
        "kpis": {each["figure_id"]: each["value"] for each in kpis if each["figure_id"]},
        "reports": maker.run("reports", "list"),
        "baselines": maker.run("baseline", "list"),
        "mode": maker.run("dispatch", "mode", "--site", "home"),
        "ledger": maker.run("dispatch", "ledger", "--site", "home"),
        "verify": maker.run("dispatch", "verify", "--site", "home"),
    }


def pack(folder: Path, path: Path) -> None:
    """Pack the kept files of the project; the same project gives the same bytes."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.mtime, info.uid, info.gid, info.uname, info.gname = 0, 0, 0, "", ""
        return info

    with tarfile.open(path, "w:xz", preset=9) as archive:
        for name in KEPT:
            archive.add(folder / name, name, filter=plain)


def main(out: Path) -> None:
    """Write `<revision>.tar.xz` and `<revision>.json` into `out`."""
    revision = subprocess.check_output(["git", "rev-parse", "--short=7", "HEAD"], text=True).strip()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "project"
        try:
            found = make(folder)
        finally:
            if keep := os.environ.get("KEEP"):
                shutil.copytree(scratch, keep, dirs_exist_ok=True)
        (out / f"{revision}.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
        pack(folder, out / f"{revision}.tar.xz")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
