"""The golden table of cumulative registers: every case sums up to what was truly consumed, and its rule is reported."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.readings.cumulative.register_intervals import Intervals, to_intervals
from assets.readings.parsed import STATE_SCHEMA
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.quarantine_ledger import QuarantineStore
from assets.stores.transactions import Store
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.time import FixedClock
from data_quality.contracts.yaml_file import load_yaml
from tests.readings.rooms import Bench, plant

CASES: list[dict[str, Any]] = load_yaml(Path(__file__).parent / "register_cases.yaml")
SIGNED = {"person": "anna", "reason": "work order"}


def case_register(case: dict[str, Any]) -> Register:
    return Register.model_validate({"kind": "cumulative", **case.get("register", {})})


def case_meter(case: dict[str, Any], number: int) -> Meter:
    register = case_register(case)
    return Meter(
        meter_id=f"case{number}",
        carrier="natural_gas" if register.unit == "m3" else "electricity",
        connected_load_kw=case.get("load_kw", 10),
        registers=(register,),
        events=tuple(dict(event) | SIGNED for event in case.get("events", [])),
    )


def reads_of(text: str) -> Iterator[tuple[datetime, Decimal]]:
    """`HH:MM VALUE` of 2025-01-01, or `DDTHH:MM VALUE`."""
    for part in text.split(","):
        moment, value = part.split()
        day, _, time = moment.rpartition("T")
        yield datetime.fromisoformat(f"2025-01-{day or '01'}T{time}").replace(tzinfo=UTC), Decimal(value)


def states_of(case: dict[str, Any], number: int) -> pl.DataFrame:
    """All reads of all files at once, a later file's instead of an earlier one's."""
    reads: dict[datetime, list[Decimal]] = {}
    for text in case["files"]:
        states: dict[datetime, list[Decimal]] = {}
        for moment, value in reads_of(text):
            states.setdefault(moment, []).append(value)
        reads |= states
    rows = [(f"case{number}", "import", "", moment, value) for moment, values in reads.items() for value in values]
    frame = pl.DataFrame(rows, schema=["meter_id", "register", "series", "at_utc", "value"], orient="row")
    unit = case_register(case).unit
    frame = frame.with_columns(unit=pl.lit(unit), source_line=pl.int_range(2, pl.len() + 2)).select(list(STATE_SCHEMA))
    return frame.cast(STATE_SCHEMA)


def total_of(values: pl.Series) -> Decimal:
    return sum((Decimal(repr(value)) for value in values), Decimal(0))


def counted(case: dict[str, Any], number: int) -> Intervals:
    return to_intervals(states_of(case, number), plant(meters=(case_meter(case, number),), drivers=()))


def test_there_are_fifty_cases_and_more_each_with_its_own_name() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES) >= 50


@dataclass
class CaseResult:
    """Result of the files of one case, one after the other."""

    total: Decimal
    rules: list[str]
    values: list[float]


@pytest.fixture
def ingested(number: int, tmp_path: Path, lake: Lake, store: Store, clock: FixedClock) -> CaseResult:
    """A case as files through the whole of ingestion, into a lake of its own: reading one that holds all takes long."""
    case, rules = CASES[number], []
    bench = Bench(tmp_path, lake, QuarantineStore(tmp_path / "quarantine", store), clock)
    site = plant(meters=(case_meter(case, number),), drivers=())
    for place, text in enumerate(case["files"]):
        lines = "".join(f"case{number},{moment:%Y-%m-%dT%H:%MZ},{value}\n" for moment, value in reads_of(text))
        table = f"meter,timestamp,{case_register(case).unit}\n{lines}"
        report = bench.ingest(table, site=site, name=f"case{number}_{place}.csv")
        assert report.verdict != "reject", (case["name"], report.message)
        rules += [finding.code for finding in report.findings]
    values = bench.values(f"case{number}")
    return CaseResult(total_of(pl.Series(values, dtype=pl.Float64)), rules, values)


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["name"] for case in CASES])
def test_fault_f18_the_sum_of_consumption_is_the_truth(number: int) -> None:
    case = CASES[number]
    assert total_of(counted(case, number).rows["value"]) == Decimal(str(case["total"]))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case["name"] for case in CASES])
def test_fault_f18_files_one_by_one_give_the_truth_and_the_right_rule(number: int, ingested: CaseResult) -> None:
    case = CASES[number]
    assert (ingested.total, ingested.rules) == (Decimal(str(case["total"])), list(case["rules"]))
    assert all(0 <= value < 1e6 for value in ingested.values)


MUTANTS = {
    "no multiplier": ("a multiplier and a rollover", {"register": {"digits": 5}}),
    "other digits": ("five digits roll over", {"register": {"digits": 6}}),
    "no event": ("an exchange with both reads", {"events": []}),
    "no plate": ("digits that nobody declared are proven by the plate", {"load_kw": None}),
}


@pytest.mark.parametrize(("name", "change"), MUTANTS.values(), ids=list(MUTANTS))
def test_the_table_notices_a_register_that_counts_otherwise(name: str, change: dict[str, Any]) -> None:
    case = next(case for case in CASES if case["name"] == name)
    assert total_of(counted(case | change, 0).rows["value"]) != Decimal(str(case["total"]))
