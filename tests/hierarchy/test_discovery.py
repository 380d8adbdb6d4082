"""Discovery finds the parents that are there and no others: demo sites, a real household, random trees."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.sites.discovery import LEAST_CONFIDENCE, Discovery, discover
from assets.sites.discovery_fit import changes_of, confidence, innovations, members_of, without_spikes
from assets.sites.load_sites import load_site
from controls.simulator.worlds.generate import generate_site
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from tests.hierarchy.trees import Tree, random_tree
from tests.sites.test_calendar import site

DEMO = Path(__file__).resolve().parents[2] / "assets" / "sites" / "demo"


def demo_readings(place: Site) -> pl.DataFrame:
    made = generate_site(place, start=date(2024, 1, 1), end=date(2024, 7, 1)).meters
    return made.filter(pl.col("register") != "volume").select(
        "register",
        meter_id="meter",
        interval_start_utc="timestamp",
        interval_minutes=pl.lit(15),
        value="kwh",
        unit=pl.lit("kwh"),
    )


def score(found: Discovery, parents: dict[str, str | None]) -> tuple[int, int, int]:
    """Right proposals, all proposals, true edges."""
    right = sum(parents.get(each.child) == each.parent for each in found.proposals)
    return right, len(found.proposals), sum(parent is not None for parent in parents.values())


@pytest.mark.parametrize("name", ["factory", "tower", "home"])
@pytest.mark.parametrize("is_told", [True, False], ids=["with the site file", "from readings alone"])
def test_every_true_parent_of_a_demo_site_is_found(name: str, is_told: bool) -> None:
    place = load_site(DEMO / f"{name}.yaml")
    found = discover(demo_readings(place), site=place if is_told else None, time_zone=place.time_zone)
    right, proposed, true = score(found, {meter.meter_id: meter.parent_on() for meter in place.meters})
    assert right == true
    assert right / proposed >= 0.9
    if is_told:
        assert all(each.declared_parent == each.parent for each in found.proposals)


def test_machines_of_one_line_are_not_put_below_each_other_where_their_supply_is_not_metered() -> None:
    readings = demo_readings(load_site(DEMO / "factory.yaml")).filter(pl.col("meter_id") != "main")
    assert discover(readings).proposals == ()


def household(shared_data: Path) -> pl.DataFrame:
    file = shared_data / "nilm_uci_household" / "household_hourly.parquet"
    wh = {f"sub_{number}": pl.col(f"sub_metering_{number}_wh") / 1000 for number in (1, 2, 3)}
    return (
        pl.read_parquet(file)
        .select(
            interval_start_utc=pl.col("timestamp_local").dt.replace_time_zone("UTC"), mains="active_energy_kwh", **wh
        )
        .unpivot(index="interval_start_utc", variable_name="meter_id")
        .with_columns(register=pl.lit("import"), interval_minutes=pl.lit(60), unit=pl.lit("kwh"))
    )


def test_the_mains_of_a_real_household_is_the_parent_of_its_submeters_and_its_rest_is_shown(shared_data: Path) -> None:
    found = discover(household(shared_data))
    assert {(each.child, each.parent) for each in found.proposals} == {(f"sub_{n}", "mains") for n in (1, 2, 3)}
    (rest,) = found.rests
    assert rest.rest_share is not None
    assert 0.5 < rest.rest_share < 0.55
    assert rest.rest_kwh == pytest.approx(rest.parent_kwh - rest.children_kwh, abs=1e-3)
    # People are at home and awake in the evening, and asleep at four.
    assert rest.profile_kw[20] > 1.5 * rest.profile_kw[4]


def test_the_end_uses_and_the_net_meter_of_a_real_office_are_placed(shared_data: Path) -> None:
    table = pl.read_csv(shared_data / "office_rsf_enduse" / "rsf_enduse_hourly_2011.csv.gz", infer_schema_length=0)
    first = datetime(2011, 1, 1, 1, tzinfo=UTC)
    hours = [first + timedelta(hours=at) for at in range(table.height)]
    readings = (
        table.select(pl.col(table.columns[2:-1]).str.strip_chars().cast(pl.Float64, strict=False))
        .with_columns(interval_start_utc=pl.Series(hours, dtype=pl.Datetime("us", "UTC")))
        .unpivot(index="interval_start_utc", variable_name="meter_id")
        .drop_nulls()
        .with_columns(register=pl.lit("import"), interval_minutes=pl.lit(60), unit=pl.lit("kwh"))
    )
    found = {each.child: each.parent for each in discover(readings).proposals}
    uses = ("Cooling", "Heating", "Mechanical", "Lighting", "Plug Loads", "Data Center")
    wanted = {f"Total {use} (kW)": "Total Building (kW)" for use in uses}
    assert found == wanted | {"Total Building (kW)": "Building Net (kW)", "PV (kW)": "Building Net (kW)"}


def totals(trees: list[Tree]) -> tuple[float, float]:
    """Precision and recall over several trees."""
    scores = np.array([score(discover(tree.readings()), tree.parents) for tree in trees]).sum(axis=0)
    return scores[0] / scores[1], scores[0] / scores[2]


@pytest.mark.parametrize(
    ("options", "least_recall"),
    [({}, 0.9), ({"rest": 0.0}, 0.9), ({"roots": 3, "leaves": 12}, 0.9), ({"missing": 0.1}, 0.7), ({"rest": 0.5}, 0.7)],
    ids=["usual", "no rest", "several roots", "a tenth missing", "much unmetered"],
)
def test_random_trees_are_found_with_high_precision(options: dict[str, float], least_recall: float) -> None:
    precision, recall = totals([random_tree(seed, **options) for seed in range(100, 106)])  # type: ignore[arg-type]
    assert precision >= 0.9
    assert recall >= least_recall


def test_meters_that_share_weather_and_working_hours_are_not_put_below_each_other() -> None:
    trees = [random_tree(seed, roots=10, groups=0, leaves=0) for seed in range(5)]
    proposed = [len(discover(tree.readings()).proposals) for tree in trees]
    # Ten loads have ninety places to go wrong.
    assert sum(proposed) <= 2


def test_independent_buildings_of_a_real_estate_are_not_put_below_each_other(shared_data: Path) -> None:
    table = pl.read_parquet(shared_data / "sites_cambridge" / "meters_hourly.parquet").filter(
        pl.col("meter") == "electricity"
    )
    readings = table.select(
        "value", meter_id=pl.col("building_id").cast(pl.String), interval_start_utc="timestamp_utc",
        register=pl.lit("import"), interval_minutes=pl.lit(60), unit=pl.lit("kwh"),
    )  # fmt: skip
    found = discover(readings.filter(pl.col("interval_start_utc").dt.year() < 2020))
    assert found.proposals == ()


def test_the_same_readings_give_the_same_answer_in_any_order() -> None:
    readings = random_tree(7).readings()
    assert discover(readings) == discover(readings.sample(fraction=1.0, shuffle=True, seed=1))


def hourly(**series: np.ndarray) -> pl.DataFrame:
    names = tuple(series)
    return Tree(names, np.column_stack([series[name] for name in names]), dict.fromkeys(names)).readings()


def noise(seed: int, hours: int = 24 * 60) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(3.0, 1.0, hours))


def test_meters_that_read_the_same_are_a_finding_and_no_guess() -> None:
    one = noise(1)
    found = discover(hourly(main=one + noise(2), a=one, twin=one))
    assert [finding.code for finding in found.findings] == ["twin_meters"]
    assert {(each.child, each.parent) for each in found.proposals} == {("a", "main")}


def test_two_equal_machines_of_one_kind_are_both_found() -> None:
    one, two = noise(1), noise(2)
    found = discover(hourly(main=one + two + noise(3), a=one, b=two))
    assert {each.child for each in found.proposals} == {"a", "b"}


def test_meters_that_take_turns_are_found_although_neither_moves_the_parent() -> None:
    turn = np.random.default_rng(5).random(24 * 60) > 0.5
    one, two = np.where(turn, 5.0, 0.2) + 0.3 * noise(1), np.where(turn, 0.2, 5.0) + 0.3 * noise(2)
    found = discover(hourly(main=one + two + 0.2 * noise(3), a=one, b=two))
    assert {(each.child, each.parent) for each in found.proposals} == {("a", "main"), ("b", "main")}


def test_what_cannot_be_judged_is_a_finding() -> None:
    found = discover(
        hourly(main=noise(1), still=np.full(24 * 60, 2.0), new=np.where(np.arange(24 * 60) < 100, 1.0, np.nan))
    )
    assert {finding.code for finding in found.findings} == {"no_variation", "too_few_readings"}
    assert found.proposals == ()
    assert discover(hourly(main=noise(1)).clear()) == Discovery()


def test_a_child_that_exceeds_its_parent_is_not_proposed() -> None:
    one = noise(1)
    found = discover(hourly(main=one * 1.0 + 0.2 * noise(2) - 3.0 + 3.5 * (noise(9) > 3), a=one))
    assert all(each.balanced >= 0.95 for each in found.proposals)


def test_a_consumer_that_lowers_a_meter_is_no_child_of_it() -> None:
    one, two = noise(1), noise(2)
    assert discover(hourly(a=two + 20 - one, b=one)).proposals == ()


def test_a_spike_does_not_hide_a_child() -> None:
    one = noise(1)
    main = one + noise(2)
    main[500] = 1e9
    found = discover(hourly(main=main, a=one))
    assert [(each.child, each.parent) for each in found.proposals] == [("a", "main")]
    assert np.isnan(without_spikes(main[:, None])[500, 0])


def test_readings_that_validation_doubts_are_left_out() -> None:
    one, two = noise(1), noise(2)
    is_wrong = np.arange(24 * 60) < 300
    readings = hourly(main=one + two, a=np.where(is_wrong, 1000 * one, one))
    start = readings["interval_start_utc"].min()
    assert isinstance(start, datetime)
    doubted = (pl.col("meter_id") == "a") & (pl.col("interval_start_utc") < start + timedelta(hours=300))
    coded = readings.with_columns(quality_code=pl.when(doubted).then(10).otherwise(0))
    assert discover(readings).proposals == ()
    assert [(each.child, each.parent) for each in discover(coded).proposals] == [("a", "main")]


def test_only_meters_of_one_carrier_that_are_read_are_compared() -> None:
    one = noise(1)
    gas = Meter.model_validate({"meter_id": "gas", "carrier": "natural_gas"})
    air = Meter.model_validate({"meter_id": "air", "carrier": "compressed_air"})
    place = site(meters=(Meter(meter_id="main"), gas, air, Meter(meter_id="rest", formula="main")))
    readings = hourly(main=one + noise(2), gas=one, air=one, rest=one)
    assert discover(readings, site=place).proposals == ()
    assert len(discover(readings.filter(pl.col("meter_id").is_in(["main", "gas"]))).proposals) == 1


def test_quarter_hours_are_compared_as_whole_hours_only() -> None:
    tree = random_tree(3, days=30)
    quarters = tree.readings().select(
        "meter_id", "register", "unit",
        interval_start_utc=pl.concat_list(pl.col("interval_start_utc").dt.offset_by(f"{m}m") for m in (0, 15, 30, 45)),
        value=pl.col("value") / 4, interval_minutes=pl.lit(15),
    ).explode("interval_start_utc")  # fmt: skip
    assert discover(quarters).model_dump(exclude={"rests"}) == discover(tree.readings()).model_dump(exclude={"rests"})


def test_confidence_is_the_distance_from_nothing_in_standard_errors() -> None:
    certain, unsure, common, nothing = confidence(np.array([1.0, 1.0, 1.6, 0.0]), np.array([0.01, 0.5, 0.05, 0.05]))
    assert certain > 0.999
    assert 0.8 < unsure < LEAST_CONFIDENCE
    assert common < 0.5
    assert nothing < 0.001
    assert confidence(np.array([0.84]), np.array([0.14]))[0] > LEAST_CONFIDENCE
    assert confidence(np.array([0.84]), np.array([0.14]), places=13)[0] < LEAST_CONFIDENCE


def test_innovations_are_linear_so_that_a_parent_is_the_sum_of_its_parts() -> None:
    parts = np.column_stack([noise(1), noise(2)])
    whole = innovations(parts.sum(axis=1, keepdims=True), 1.0)
    assert np.nanmax(np.abs(whole[:, 0] - innovations(parts, 1.0).sum(axis=1))) < 1e-9


def test_a_fit_without_candidates_is_empty() -> None:
    changes = changes_of(np.column_stack([noise(1), noise(2)]), 1.0)
    assert members_of(0, np.array([1]), changes).members == ()
