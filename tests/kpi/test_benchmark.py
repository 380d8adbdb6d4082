"""Sites compared with their peers: values, ranks with intervals, groups too small, and meters that are no peer."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.kpi.benchmark.compare import Benchmark, BenchmarkRow, anonymous_rows, benchmark, hours_factors
from assets.kpi.benchmark.intensity import intensities
from assets.kpi.benchmark.ranks import ranked
from assets.kpi.benchmark.register import RegisteredSite, group_of, read_reference, read_register, reference_percentile
from data_quality.contracts.errors import BadInput

HOURS = 8_760
HEADER = "site,use,floor_area_m2,climate,hours_per_week\n"


def register_file(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "sites.csv"
    path.write_text(header + "\n".join(rows) + "\n")
    return path


def sites(*names: str, use: str = "office", m2: float = 1_000) -> dict[str, RegisteredSite]:
    return {name: RegisteredSite(site=name, use=use, floor_area_m2=m2) for name in names}


def year_of(**levels_kw: float) -> pl.DataFrame:
    """A year of hours of each site at a level, a tenth more in its first half."""
    start = datetime(2023, 1, 1)  # noqa: DTZ001
    starts = [start + timedelta(hours=n) for n in range(HOURS)]
    shape = np.where(np.arange(HOURS) < HOURS // 2, 1.1, 0.9)
    parts = [
        pl.DataFrame({"site": name, "local_start": starts, "hours": 1.0, "kwh": level * shape})
        for name, level in levels_kw.items()
    ]
    return pl.concat(parts)


def rows_of(found: Benchmark) -> dict[str, BenchmarkRow]:
    return {row.site: row for row in found.rows}


def codes(found: Benchmark) -> list[str]:
    return [each.code for each in found.findings]


FIVE = {"a": 10.0, "b": 20.0, "c": 30.0, "d": 40.0, "e": 50.0}


def of_year(folder: Path, year: int, *, by: str = "use", drift: float = 0.08) -> Benchmark:
    place = folder / "sites_bdg2"
    energy = pl.read_parquet(place / "electricity_hourly.parquet").select(
        site=pl.col("building_id").cast(pl.String), local_start="timestamp_local", hours=pl.lit(1.0), kwh="kwh"
    )
    register, _ = read_register(place / "metadata.csv.gz")
    rows = energy.drop_nulls().filter(pl.col("local_start").dt.year() == year)
    return benchmark(intensities(rows, register), register, by=(by,), drift=drift, seed=7)  # type: ignore[arg-type]


def test_values_of_real_buildings_are_the_mean_of_their_hours_over_a_year_by_floor_area(shared_data: Path) -> None:
    one, other = rows_of(of_year(shared_data, 2016)), rows_of(of_year(shared_data, 2017))
    for site, values in {"Bear_education_Leonel": (147, 151), "Robin_education_Takako": (929, 863)}.items():
        assert (round(one[site].value or 0), round(other[site].value or 0)) == values


def test_of_real_buildings_education_and_offices_are_ranked_and_other_uses_have_too_few(shared_data: Path) -> None:
    found = of_year(shared_data, 2016)
    ranked_groups = {row.group: row.peers for row in found.rows if row.rank is not None}
    assert ranked_groups == {"education": 7, "office": 6}
    assert {row.reason for row in found.rows if row.group not in ranked_groups} == {"too_few_peers"}
    assert codes(found).count("too_few_peers") == 5


def test_intervals_of_one_year_hold_the_ranks_of_the_other(shared_data: Path) -> None:
    years = [rows_of(of_year(shared_data, year, by="all")) for year in (2016, 2017)]
    ranks = [[row.rank for _, row in sorted(year.items())] for year in years]
    assert np.corrcoef(*np.array(ranks, dtype=float))[0, 1] == pytest.approx(0.97, abs=0.005)
    for mine, other in (years, years[::-1]):
        intervals = {site: row.rank_interval or (0, 0) for site, row in mine.items()}
        held = [low <= (other[site].rank or 0) <= high for site, (low, high) in intervals.items()]
        assert np.mean(held) >= 0.85
        assert np.mean([high - low for low, high in intervals.values()]) <= 4


def test_months_alone_are_too_sure_of_themselves(shared_data: Path) -> None:
    mine = rows_of(of_year(shared_data, 2016, by="all", drift=0.0))
    other = rows_of(of_year(shared_data, 2017, by="all"))
    held = [
        (row.rank_interval or (0, 0))[0] <= (other[site].rank or 0) <= (row.rank_interval or (0, 0))[1]
        for site, row in mine.items()
    ]
    assert 0.58 <= np.mean(held) <= 0.67


def test_a_rank_of_one_is_the_least_energy_by_area() -> None:
    register = sites(*FIVE)
    found = benchmark(intensities(year_of(**FIVE), register), register, seed=1)
    assert {row.site: row.rank for row in found.rows} == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    assert rows_of(found)["a"].value == pytest.approx(10 * HOURS / 1_000)
    assert rows_of(found)["c"].percentile == 50.0
    assert found.assumed_drift == 0.08


def test_four_peers_have_values_and_no_rank() -> None:
    register = sites("a", "b", "c", "d")
    found = benchmark(intensities(year_of(a=1, b=2, c=3, d=4), register), register, seed=1)
    assert [(row.rank, row.rank_interval, row.percentile, row.reason) for row in found.rows] == [
        (None, None, None, "too_few_peers")
    ] * 4
    assert all(row.value for row in found.rows)
    assert not anonymous_rows(found)


def broken(code: str) -> pl.DataFrame:
    """Five good sites and `bad`, whose meter has this fault."""
    good, bad = year_of(**FIVE), year_of(bad=30.0)
    hour = pl.int_range(pl.len())
    if code == "no_energy":
        bad = bad.with_columns(kwh=pl.lit(0.0))
    elif code == "negative_energy":
        bad = bad.with_columns(kwh=pl.when(hour == 5).then(-1.0).otherwise("kwh"))
    elif code == "unit_change_suspected":
        bad = bad.with_columns(kwh=pl.when(hour < 800).then(pl.col("kwh") * 1000).otherwise("kwh"))
    elif code == "reading_out_of_line":
        bad = bad.with_columns(kwh=pl.when(hour == 5).then(1e6).otherwise("kwh"))
    elif code == "too_little_read":
        bad = bad.filter(hour < 4000)
    elif code == "out_of_line_with_peers":
        bad = bad.with_columns(kwh=pl.col("kwh") * 1000)
    return pl.concat([good, bad])


@pytest.mark.parametrize(
    "code",
    [
        "no_energy",
        "negative_energy",
        "unit_change_suspected",
        "reading_out_of_line",
        "too_little_read",
        "out_of_line_with_peers",
    ],
)
def test_one_bad_meter_has_no_rank_is_named_first_and_moves_nobody_else(code: str) -> None:
    register = sites(*FIVE, "bad")
    found = benchmark(intensities(broken(code), register), register, seed=1)
    alone = benchmark(intensities(year_of(**FIVE), sites(*FIVE)), sites(*FIVE), seed=1)
    assert found.findings[0].code == code
    assert found.findings[0].is_blocking
    assert found.findings[0].scope == "site:bad"
    assert (rows_of(found)["bad"].rank, rows_of(found)["bad"].reason) == (None, code)
    assert [row.rank_interval for row in found.rows if row.site != "bad"] == [row.rank_interval for row in alone.rows]
    assert {row.peers for row in found.rows} == {5}


@pytest.mark.parametrize(("cell", "what"), [("", "is missing"), ("0", "is zero")])
def test_a_floor_area_that_is_no_area_leaves_its_site_without_a_value_and_names_line_and_key(
    tmp_path: Path, cell: str, what: str
) -> None:
    path = register_file(tmp_path, "a,office,1000,,", f"b,office,{cell},,")
    register, findings = read_register(path)
    assert [each.code for each in findings] == ["floor_area_unusable"]
    assert "sites.csv, line 3: floor_area_m2 of b " + what in findings[0].message
    row = rows_of(benchmark(intensities(year_of(a=1, b=1), register), register, seed=1))["b"]
    assert (row.value, row.rank, row.reason) == (None, None, "floor_area_unusable")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["a,office,-1,,"], "negative"),
        (["a,office,wide,,"], "bad_number"),
        (["a,office,10,,", "a,school,20,,"], "duplicate_site"),
        (["a,office,10,,169"], "bad_number"),
        ([",office,10,,"], "no_site"),
        ([], "no_rows"),
    ],
)
def test_a_register_that_cannot_be_meant_is_refused_with_its_line(
    tmp_path: Path, rows: list[str], reason: str
) -> None:  # fmt: skip
    with pytest.raises(BadInput) as fault:
        read_register(register_file(tmp_path, *rows))
    assert fault.value.reason == reason
    assert fault.value.file.endswith("sites.csv")


def test_a_register_without_areas_names_the_column_that_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="lacks the column floor_area_m2"):
        read_register(register_file(tmp_path, "a,office", header="site,use\n"))


def test_groups_are_divided_by_what_is_asked() -> None:
    site = RegisteredSite(site="a", use="office", floor_area_m2=5_000, climate="4A")
    assert group_of(site, ["use"]) == "office"
    assert group_of(site, ["use", "size", "climate"]) == "office/medium/4A"
    assert group_of(site, ["all"]) == "all"
    assert group_of(RegisteredSite(site="a", use=""), ["use", "size"]) == "unknown use/unknown size"


def test_shorter_opening_hours_are_scaled_up_but_for_what_runs_at_night() -> None:
    register = {
        name: RegisteredSite(site=name, use="office", floor_area_m2=1_000, hours_per_week=hours)
        for name, hours in {"a": 20.0, "b": 40.0, "c": 80.0}.items()
    }
    found = intensities(year_of(a=10, b=10, c=10), register)
    base = found[0].base_share
    assert base == pytest.approx(0.9, abs=0.01)
    factors = hours_factors(found, register)
    assert factors == pytest.approx({"a": base + (1 - base) * 2, "b": 1.0, "c": base + (1 - base) / 2})


def test_a_site_that_cannot_be_normalised_has_no_rank_among_those_that_are() -> None:
    register = sites(*FIVE, "f")
    found = benchmark(
        intensities(year_of(**FIVE, f=60), register),
        register,
        factors={"hours": dict.fromkeys(FIVE, 2.0)},
        seed=1,
    )
    row = rows_of(found)["a"]
    assert (row.value, row.normalised_by) == (pytest.approx(2 * (row.raw_value or 0)), ("hours",))
    assert (rows_of(found)["f"].rank, rows_of(found)["f"].reason) == (None, "not_normalised")


def test_an_anonymous_export_holds_no_name_and_no_small_group() -> None:
    register = sites(*FIVE) | sites("shop", use="retail")
    found = benchmark(intensities(year_of(**FIVE, shop=3), register), register, seed=1)
    exported = anonymous_rows(found)
    assert len(exported) == 5
    assert {row["group"] for row in exported} == {"office"}
    assert not {str(value) for row in exported for value in row.values()} & {*FIVE, "shop"}


def test_a_published_table_says_where_a_value_lies_with_its_source_and_date(tmp_path: Path) -> None:
    path = tmp_path / "reference.csv"
    path.write_text(
        "use,percentile,kwh_per_m2,source,as_of\noffice,25,80,An institute,2022-05-01\noffice,50,120,An institute,"
        "2022-05-01\noffice,50,200,An institute,2015-01-01\n"
    )
    table = read_reference(path)
    assert reference_percentile(100, "office", table) == "above 25 % (An institute, 2022-05-01)"
    assert reference_percentile(70, "office", table) == "at most 25 % (An institute, 2022-05-01)"
    assert reference_percentile(70, "school", table) == ""


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(1, 1e4), min_size=5, max_size=12, unique=True), st.integers(0, 9))
def test_ranks_are_a_permutation_and_each_interval_holds_its_rank(values: list[float], seed: int) -> None:
    level = np.ones((len(values), 12))
    found = ranked(values, level, level * 700, drift=0.08, confidence=0.9, seed=seed, draws=200)
    assert sorted(each.rank for each in found) == list(range(1, len(values) + 1))
    assert all(each.rank_interval[0] <= each.rank <= each.rank_interval[1] for each in found)
    assert [each.rank for each in found] == [sorted(values).index(value) + 1 for value in values]


def test_without_drift_and_with_equal_months_a_rank_is_certain() -> None:
    level = np.ones((5, 12))
    found = ranked([1.0, 2.0, 3.0, 4.0, 5.0], level, level, drift=0.0, confidence=0.9, seed=1)
    assert [each.rank_interval for each in found] == [(n, n) for n in range(1, 6)]


def test_sites_of_unknown_use_are_no_peer_group_unless_the_use_does_not_divide() -> None:
    register = sites(*FIVE, use="")
    found = benchmark(intensities(year_of(**FIVE), register), register, seed=1)
    assert {(row.rank, row.peers, row.reason) for row in found.rows} == {(None, 0, "no_use")}
    assert [(each.code, each.facts) for each in found.findings] == [("no_use", {"sites": 5})]
    assert all(row.value for row in found.rows)
    by_all = benchmark(intensities(year_of(**FIVE), register), register, by=("all",), seed=1)
    assert [row.rank for row in by_all.rows] == [1, 2, 3, 4, 5]
