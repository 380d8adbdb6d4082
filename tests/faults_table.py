"""The table of docs/ems/faults.md, made from a test run: `python -m tests.faults_table`.

Runs every test named `test_fault_f<id>_…` (a name may carry several ids) and writes what came of it, so that the page
can never claim more than a run has shown. A fault of the list without any test stands there as not shown.

The run may be broken off, or made in parts with --select: what came of each case is kept at once, with its commit, and
the next one of the same commit runs only what did not pass yet. The page is written when nothing of the whole is left.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "ems" / "faults.md"
# Too long for a run of the tests: each writes down itself what its last whole run came to.
RECORDS = ROOT / "tests" / "control_faults"
KEPT = ROOT / "var" / "faults.json"
# Faults of files, payloads, readings, forecasts, reports, infrastructure, control and access, each in a few words.
FAULTS = {
    "F01": "A truncated table, mid-row or mid-number",
    "F02": "A truncated gzip, workbook or Parquet file",
    "F03": "A wrong unit: Wh as kWh, kW as kWh",
    "F04": "Days of 23 and 25 hours: repeated and missing hours",
    "F05": "Timestamps in the future",
    "F06": "Spikes, negative, stuck and zero values",
    "F07": "NaN, infinity, 1e309, decimal commas, blanks",
    "F08": "Duplicate rows and keys, conflicting duplicates",
    "F09": "Duplicate, reordered, extra, missing columns; BOM, UTF-16, CR",
    "F10": "A 200 MB line, a million columns, endless rows",
    "F11": "ZIP and gzip bombs",
    "F12": "XML: billion laughs, external entities, a million levels",
    "F13": "Path traversal in names, links, pipes, devices",
    "F14": "SQL and Jinja in names",
    "F15": "Formulas in names, on export",
    "F16": "Scripts and markup in names",
    "F17": "Newlines, control characters and megabytes in names",
    "F18": "Registers that turn over, are reset, exchanged or run backwards",
    "F19": "Data weeks late, out of order, or corrected afterwards",
    "F20": "Clocks that were never set, run back or drift",
    "F21": "A kind of value that changes midway",
    "F22": "MQTT: huge, deep, binary or undecodable payloads",
    "F23": "Modbus: swapped words, wrong scale, sentinels, torn values",
    "F24": "Synthetic data offered to a report",
    "F25": "An emission factor or a tariff missing, overlapping, negative or in a wrong unit",
    "F26": "Another version of the holiday calendar or the time zone database",
    "F27": "Hostile workbooks and Parquet files",
    "F28": "Hostile PDF documents",
    "F30": "The process killed at each point of a command's way, K1 to K13, on both stores",
    "F31": "Ingestion killed at each of its stages",
    "F32": "Killed while the warehouse is loaded",
    "F33": "Killed while a file of the lake is written",
    "F34": "A disk that is full, under the ledger",
    "F35": "A disk that fails when it is told to keep what was written",
    "F36": "A store that can only be read",
    "F37": "The store's server away, or its answer to a commit lost",
    "F38": "The broker killed in the middle of a command",
    "F39": "A broker that accepts and never answers",
    "F40": "A broker that drops messages",
    "F41": "MLflow away, slow or broken",
    "F42": "A planner or a run killed, and done again",
    "F43": "Two daemons, two schedulers, two agents",
    "F44": "A sensor without its cursor",
    "F45": "A platform that cannot be imported",
    "F46": "A port that is taken",
    "F50": "Clocks that jump, both ways, by seconds to decades",
    "F60": "A device that refuses",
    "F61": "A device that obeys and does not answer",
    "F62": "Late, torn and foreign answers of a device",
    "F63": "A device that acknowledges and does something else",
    "F64": "A device that reads back right while the meter does not move",
    "F65": "A device that restarts and forgets its set-point",
    "F66": "The agent killed, stopped or hanging while a set-point stands",
    "F67": "A person who sets another value at the device",
    "F68": "A state of charge that is stale, no number, impossible or jumps",
    "F69": "Prices that are stale, zero, negative, a thousandfold or short of a day",
    "F70": "A plan that has no solution",
    "F71": "A solver that is slow, dies or answers wrongly",
    "F72": "A plan of another site, unit or device, or older than what it was made from",
    "F73": "Commands that arrive twice, late or out of order",
    "F74": "A command of earlier that somebody left on the broker",
    "F75": "A mode lowered between release and issue",
    "F76": "A plan or a sensor that flaps",
    "F77": "A phase that several devices would overload",
    "F78": "A limit of the network operator, and a line to them that falls silent",
    "F79": "Approvals by the same person, altered, expired, replayed or revoked",
    "F80": "A way home that fails",
    "F81": "Many devices that go home together",
    "F82": "Registers that wear out by being written",
    "F83": "Anything written below PARTIAL",
    "F84": "A forecast model that answers nonsense: a constant, 1e9, NaN, a load below zero",
    "F90": "Requests to any page without a login",
    "F93": "Secrets in outputs of any kind",
    "F94": "Files with secrets that others can read",
    "F98": "MQTT without a name, with another's name, or beyond its own topics",
    "F99": "A second writer on the wire",
    "F101": "An evidence pack altered: bytes flipped, members reordered, cut or replaced",
    "F103": "Reports sent in the clear",
    "F105": "A ledger altered, cut, or made anew whole with hashes that fit",
    "F111": "Five thousand samples a second, acknowledged only after the disk has them",
    "F114": "Five hundred devices that come back at once",
    "F117": "Two hundred devices on one wire, a tenth of them silent",
}
# The record of a run -> its command, and what it says of what it recorded.
LONG_RUNS = {
    "soak.json": (
        "make soak",
        "{schedules:,} random schedules of faults with seed {seed}; {violations} broken promises",
    ),
    "kills.json": (
        "python -m tests.control_faults.kills --count 200",
        "{processes} real processes killed, singly and in pairs, in {rounds} rounds; slowest way home "
        "{slowest_home_s} s of 60 s; {problems} problems",
    ),
    "day.json": (
        "python -m tests.bench.agent_bench --day 24 --devices 500",
        "{hours} simulated hours of {devices} devices: {proven:,} commands proven; the agent takes {first_mib} MiB"
        " after the first hour, {most_mib} at most, {last_mib} at the end",
    ),
}
_IDS = re.compile(r"test_fault((?:_f[0-9]+)+)_")
_RANK = {"passed": 0, "skipped": 1, "failed": 2}


class Results:
    """A pytest plugin: the worst outcome of each case, in a file that the next run of the same commit goes on with."""

    def __init__(self, kept: Path, commit: str) -> None:
        known = json.loads(kept.read_text("utf-8")) if kept.is_file() else {}
        self.kept, self.commit = kept, commit
        self.found: dict[str, str] = known["cases"] if known.get("commit") == commit else {}
        self.begun: dict[str, str] = {}
        self.wanted: set[str] = set()

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """All that is a fault's is wanted; what passed is not run again, and --faults may leave some for later."""
        wanted = [item for item in items if ids_of(item.nodeid)]
        self.wanted = {item.nodeid for item in wanted}
        select = re.compile(config.getoption("--faults") or "")
        items[:] = [
            item for item in wanted if self.found.get(item.nodeid) != "passed" and select.search(item.nodeid.lower())
        ]

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        """Option that chooses cases by a pattern of their names."""
        parser.addoption("--faults", help="a pattern of names")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of one case; after its last one it is kept."""
        worst = max(report.outcome, self.begun.get(report.nodeid, "passed"), key=lambda outcome: _RANK[outcome])
        self.begun[report.nodeid] = worst
        if report.when == "teardown":
            self.found[report.nodeid] = worst
            self.kept.parent.mkdir(exist_ok=True)
            self.kept.write_text(json.dumps({"commit": self.commit, "cases": self.found}, indent=0), encoding="utf-8")

    def left(self) -> int:
        """Number of cases that have not run."""
        return len(self.wanted - self.found.keys())

    def outcomes(self) -> tuple[dict[str, str], dict[str, int]]:
        """The worst of each test function over its cases, and how many of them ran."""
        outcomes: dict[str, str] = {}
        cases: dict[str, int] = {}
        for nodeid in self.wanted & self.found.keys():
            name, outcome = nodeid.split("[", 1)[0], self.found[nodeid]
            outcomes[name] = max(outcome, outcomes.get(name, "passed"), key=lambda each: _RANK[each])
            cases[name] = cases.get(name, 0) + (outcome != "skipped")
        return outcomes, cases


def ids_of(nodeid: str) -> list[str]:
    """Faults that a test is about, by its name."""
    found = _IDS.search(nodeid.rsplit("::", 1)[-1])
    return [name.upper() for name in found[1].strip("_").split("_")] if found else []


def files_with_faults(folder: Path = ROOT / "tests") -> list[str]:
    """Test files that hold a fault's test."""
    return sorted(str(path) for path in folder.rglob("test_*.py") if "def test_fault_f" in path.read_text("utf-8"))


def page(outcomes: dict[str, str], cases: dict[str, int]) -> str:
    """The page's text. outcomes, cases: per test (file::name)."""
    lines = [
        "# Faults, and what came of them",
        "",
        "Generated by `python -m tests.faults_table` from a test run; do not edit. A fault is *shown* when all of its "
        "tests passed.",
        "",
        "| Fault | What happens | Result | Cases | Tests |",
        "|---|---|---|---|---|",
    ]
    for fault, what in FAULTS.items():
        mine = sorted(name for name in outcomes if fault in ids_of(name))
        worst = max((outcomes[name] for name in mine), key=lambda outcome: _RANK[outcome], default="")
        result = {"": "no test", "passed": "shown", "skipped": "not shown: skipped here"}.get(worst, "**failed**")
        count = sum(cases.get(name, 0) for name in mine)
        lines.append(f"| {fault} | {what} | {result} | {count} | {_listed(mine)} |")
    return "\n".join([*lines, *_long_runs()]) + "\n"


def _long_runs(records: Path = RECORDS) -> list[str]:
    """Results of the last long runs, as they recorded them, beside their commands; nothing of one that never ran."""
    told = []
    for name, (command, say) in LONG_RUNS.items():
        if (record := records / name).is_file():
            known = json.loads(record.read_text("utf-8"))
            took = (
                f"{known['seconds'] / 3600:.1f} h" if known["seconds"] >= 3600 else f"{known['seconds'] / 60:.0f} min"
            )
            told.append(f"| `{command}` | {known['on']} | {took} | {say.format_map(known)} |")
    return ["", "| Long run | Last on | Took | What came of it |", "|---|---|---|---|", *told] if told else []


def _listed(names: Iterable[str]) -> str:
    """Test names in words, under the file that holds them."""
    files: dict[str, list[str]] = {}
    for name in names:
        file, _, test = name.partition("::")
        sentence = _IDS.sub("", test.rsplit("::", 1)[-1]).replace("_", " ")
        files.setdefault(file, []).append(sentence)
    return "<br>".join(f"`{file}`: {'; '.join(tests)}" for file, tests in files.items())


def commit() -> str:
    """Commit of the checkout, marked where something was changed since."""
    words = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def main(arguments: list[str]) -> int:
    """Run what is left, write the page where nothing is, and answer with pytest's own code."""
    parser = argparse.ArgumentParser(description="Write docs/ems/faults.md from a run of the faults' tests.")
    parser.add_argument("--out", type=Path, default=PAGE)
    parser.add_argument("--select", default="", help="only these now: a pattern of names, as f37 or f30|f31")
    given = parser.parse_args(arguments)
    results = Results(KEPT, commit())
    code: Any = pytest.main(["-q", f"--faults={given.select}", *files_with_faults()], plugins=[results])
    if results.left():
        sys.stdout.write(f"{results.left()} of {len(results.wanted)} cases have not run: the page is not written yet\n")
        return int(code)
    given.out.write_text(page(*results.outcomes()), encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
