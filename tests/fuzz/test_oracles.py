"""Every oracle can speak: readers that are wrong on purpose, one kind of wrong each."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.readings.sniff_files import FileRead, read_file
from tests.fuzz import oracle
from tests.fuzz.cases import FORMATS, Case, Seed
from tests.fuzz.generate import make_case
from tests.fuzz.mutate_text import crc16, recount, resealed
from tests.fuzz.oracle import judge
from tests.fuzz.seeds import seeds_of

Lie = Callable[[pl.DataFrame], pl.DataFrame]
# The good file of each format that the lies are told about: one with several accepted rows.
NAMES = {
    "csv": "long.csv",
    "xlsx": "plain.xlsx",
    "parquet": "long.parquet",
    "espi": "espi_quarters.xml",
    "nem12": "nem12_two_channels.csv",
    "nem13": "nem13_two_registers.csv",
    "mscons": "mscons_german.edi",
    "dsmr": "dsmr_v5_four.txt",
}


def seed_of(form: str) -> Seed:
    return next(seed for seed in seeds_of(form) if seed.name == NAMES[form])


def same(seed: Seed, data: bytes | None = None) -> Case:
    return Case(0, seed, seed.data if data is None else data, seed.suffix, ("none",))


def plant(monkeypatch: pytest.MonkeyPatch, lie: Lie) -> None:
    """A reader that tells the lie about every case, and the truth about good files."""

    def lying(path: Path, **how: object) -> FileRead:
        read = read_file(path, **how)  # type: ignore[arg-type]
        if path.name.startswith("good"):
            return read
        rows = lie(read.rows)
        return replace(read, rows=rows, report=read.report.model_copy(update={"accepted_rows": rows.height}))

    monkeypatch.setattr(oracle, "read_file", lying)


def first(**changed: pl.Expr) -> Lie:
    """Another value in the first row."""
    is_first = pl.int_range(pl.len()) == 0
    return lambda rows: rows.with_columns(
        pl.when(is_first).then(each).otherwise(pl.col(name)).alias(name).cast(rows.schema[name])
        for name, each in changed.items()
    )


def kinds(form: str, case: Case, folder: Path) -> set[str]:
    return {problem.kind for problem in judge(form, case, folder).problems}


@pytest.mark.parametrize("form", FORMATS)
def test_a_good_file_read_rightly_offends_no_oracle(form: str, tmp_path: Path) -> None:
    for seed in seeds_of(form):
        assert judge(form, same(seed), tmp_path).problems == []


@pytest.mark.parametrize("fault", [KeyError("x"), pl.exceptions.PanicException("x"), RecursionError()])
def test_whatever_a_reader_raises_but_bad_input_is_a_crash(
    fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, **how: object) -> FileRead:
        if path.name.startswith("good"):
            return read_file(path, **how)  # type: ignore[arg-type]
        raise fault

    monkeypatch.setattr(oracle, "read_file", broken)
    assert kinds("nem12", same(seed_of("nem12")), tmp_path) == {"crash"}


LIES_OF_ROWS: dict[str, Lie] = {
    "a value that is none": first(value=pl.lit(float("nan"))),
    "a value of no meter": first(value=pl.lit(1e12)),
    "a clock never set": first(interval_start_utc=pl.lit(0).cast(pl.Datetime("us", "UTC"))),
    "a time ahead": first(interval_start_utc=pl.col("interval_start_utc") + pl.duration(days=800)),
    "no length": first(source_minutes=pl.lit(0)),
    "no unit of ours": first(unit=pl.lit("furlong")),
    "no quality": first(quality_code=pl.lit(99)),
    "no line": first(source_line=pl.lit(0)),
    "a row twice": lambda rows: pl.concat([rows, rows.head(1)]),
}


@pytest.mark.parametrize("lie", LIES_OF_ROWS.values(), ids=list(LIES_OF_ROWS))
def test_a_row_that_cannot_be_is_noticed(lie: Lie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, lie)
    case = same(seed_of("csv"))
    monkeypatch.setattr(oracle, "sums", lambda read, rows: [])
    assert "invariant" in kinds("csv", case, tmp_path)


def test_a_sum_that_is_not_of_the_rows_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Only the report keeps the sum of the row that is gone.
    plant(monkeypatch, lambda rows: rows.slice(1))
    case = same(seed_of("nem12"))
    monkeypatch.setattr(oracle, "unchanged", lambda *_: [])
    assert kinds("nem12", case, tmp_path) == {"invariant"}


LIES_OF_PLACE: dict[str, Lie] = {
    "another value": first(value=pl.col("value") + 0.001),
    "another time": first(interval_start_utc=pl.col("interval_start_utc") - timedelta(days=7)),
    "another meter": first(meter_id=pl.lit("elsewhere")),
    "another line": first(source_line=pl.col("source_line") + 2),
}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("lie", LIES_OF_PLACE.values(), ids=list(LIES_OF_PLACE))
def test_a_row_that_its_line_does_not_say_is_noticed(
    form: str, lie: Lie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, lie)
    assert "provenance" in kinds(form, same(seed_of(form)), tmp_path)


# A change in the last row of each format, which leaves the first ones alone.
ELSEWHERE: dict[str, Callable[[bytes], bytes]] = {
    "csv": lambda data: data.replace(b"main,2025-01-01T01:45Z,3.5", b"main,2025-01-01T01:45Z,x"),
    "nem12": lambda data: data.replace(b"300,20250102,1.000", b"300,20250102,1.100"),
    "nem13": lambda data: data.replace(b",1.5,KWH", b",1.6,KWH"),
    "mscons": lambda data: (
        data[: data.rfind(b"QTY+220:0,5")] + b"QTY+220:0,6" + data[data.rfind(b"QTY+220:0,5") + 11 :]
    ),
    "espi": lambda data: data.replace(b"<value>7</value>", b"<value>8</value>"),
    "dsmr": lambda data: resealed(data.replace(b"(000201.750*kWh)", b"(000202.750*kWh)")),
}


@pytest.mark.parametrize("form", list(ELSEWHERE))
def test_a_change_elsewhere_is_read_rightly(form: str, tmp_path: Path) -> None:
    seed = seed_of(form)
    data = ELSEWHERE[form](seed.data)
    assert data != seed.data
    assert judge(form, same(seed, data), tmp_path).problems == []


@pytest.mark.parametrize("form", list(ELSEWHERE))
@pytest.mark.parametrize(
    "lie",
    [lambda rows: rows.slice(1), first(value=pl.col("value") * 2 + 1), first(unit=pl.lit("mwh"))],
    ids=["a row lost", "a row changed", "a unit changed"],
)
def test_a_row_that_a_change_elsewhere_takes_or_changes_is_noticed(
    form: str, lie: Lie, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch, lie)
    seed = seed_of(form)
    data = ELSEWHERE[form](seed.data)
    if form == "csv":
        # Its reject would account for a row lost: another good value instead.
        data = data.replace(b",x", b",3.75")
    assert "metamorphic" in kinds(form, same(seed, data), tmp_path)


@pytest.mark.parametrize("form", ["csv", "espi", "nem12", "dsmr"])
def test_a_beginning_that_has_rows_of_its_own_is_noticed(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A reader that does not mind the missing end, and takes the last value for whole.
    plant(monkeypatch, first(value=pl.col("value") / 10 + 7))
    case = replace(same(seed_of(form)), is_cut=True)
    assert "cut" in kinds(form, case, tmp_path)


@pytest.mark.parametrize("form", [form for form in FORMATS if form != "parquet"])
def test_a_wrapping_that_changes_rows_is_noticed(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = seeds_of(form)
    neutral = next(
        case
        for n in range(2000)
        if (case := make_case(form, seeds, seed=3, index=n)).is_neutral and case.seed.name == NAMES[form]
    )
    assert judge(form, neutral, tmp_path).problems == []
    plant(monkeypatch, lambda rows: rows.slice(1))
    assert "metamorphic" in kinds(form, neutral, tmp_path)


def test_checks_that_a_change_broke_are_made_right_again() -> None:
    telegram = seed_of("dsmr").data
    assert resealed(telegram) == telegram
    changed = resealed(telegram.replace(b"000100.250", b"000100.260"))
    body = changed[: changed.index(b"!") + 1]
    assert changed[len(body) : len(body) + 4] == b"%04X" % crc16(body)
    message = seed_of("mscons").data
    assert recount(message) == message
    assert b"UNT+55+1'" in recount(message.replace(b"UNS+D'", b""))
