"""Places of sites among their peers in packs: the ranks of `benchmark`, each recomputed from its trace; else a gap."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import yaml

from assets.kpi.benchmark.compare import benchmark, hours_factors
from assets.kpi.benchmark.intensity import intensities
from assets.kpi.benchmark.ranks import ASSUMED_DRIFT
from assets.kpi.benchmark.register import RegisteredSite
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.reporting.disclosure import Datum
from orchestration.operations.reports.benchmark import BenchmarkOptions
from reports.content.templates import load_template
from reports.figures.trace import current_sha256
from reports.figures.unnamed import unnamed
from reports.make_group_report import group_report, group_report_input
from reports.recompute.figure import recompute
from reports.recompute.peers import CONFIDENCE, SEED
from reports.report_content import ReportContent
from tests.kpi.test_benchmark import year_of
from tests.reports import plant
from tests.reports.peers_world import LEVELS, ORGANISATION, YEAR, Peers


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peers]:
    made = Peers(tmp_path_factory.mktemp("peers"))
    yield made
    made.store.close()


def by_key(content: ReportContent) -> dict[str, Datum]:
    return {f"{each.key} {each.item}".strip(): each for each in content.data}


def test_a_site_s_place_among_five_offices_comes_again_from_its_trace(peers: Peers) -> None:
    content = peers.content("west", peers.sources(peers.file))
    data, by_id = by_key(content), {each.figure_id: each for each in content.figures}
    # 80 kW the whole year, of 8,760 hours, on 1,000 m²; fourth of five, half of itself counted.
    assert {name: data[f"ES-2.5/{name}"].value for name in ("value", "percentile", "peers")} == {
        "value": Decimal("700.8"), "percentile": Decimal("70.0"), "peers": Decimal(5),
    }  # fmt: skip
    assert data["ES-2.5"].value == "rank 4 of 5, between 4 and 4; rank 1 takes the least"
    assert data["ES-2.5/group"].value == "office"
    # No organisation's file: what the trace names is enough.
    afresh = peers.sources(None)
    mine = [each for each in content.figures if each.trace.computation == "peer_place"]
    assert len(mine) >= 5
    for figure in mine:
        assert str(recompute(figure, sources=afresh, lookup=by_id.get)) == str(figure.value), figure.path


def test_fewer_than_five_of_a_use_have_no_rank_and_the_gap_says_so(peers: Peers) -> None:
    data = by_key(peers.content("shop", peers.sources(peers.file)))
    assert data["ES-2.5/peers"].value == Decimal(1)
    for key in ("ES-2.5", "ES-2.5/percentile", "ES-2.5/low", "ES-2.5/high"):
        assert (data[key].source, data[key].value) == ("missing", None), key
        assert data[key].reason == "Fewer than five usable sites of the organisation have its use: no rank."
        assert data[key].who
    alone = by_key(peers.content("west", peers.sources(None)))
    assert alone["ES-2.5/peers"].reason == "The project names no organisation, and so no peers."


def test_a_peer_with_a_bad_floor_area_is_named_and_moves_nobody_else(peers: Peers) -> None:
    odd = peers.sites["shop"].model_copy(update={"floor_area_m2": None})
    content = peers.content("west", peers.sources(peers.file, odd))
    assert by_key(content)["ES-2.5/percentile"].value == Decimal("70.0")
    less = peers.sites["east"].model_copy(update={"floor_area_m2": 0.001})
    content = peers.content("west", peers.sources(peers.file, less))
    # Four are left, and the fifth is said on page one, without making a draft of it.
    assert by_key(content)["ES-2.5/percentile"].source == "missing"
    [told] = [each for each in content.findings if each.code == "out_of_line_with_peers"]
    assert (told.scope, told.severity) == ("site:east", "warning")
    # Its own report has the numbers; who reads this one may not see it.
    assert (told.message, told.facts) == ("east is not used as a peer: out of line with peers.", {})
    [whole] = [
        each for each in peers.content("east", peers.sources(peers.file, less)).findings if each.code == told.code
    ]
    assert "times off the median" in whole.message


def test_a_group_s_pack_has_the_place_of_each_of_its_sites(peers: Peers) -> None:
    sources = peers.sources(peers.file)
    organisation = sources.organisation()
    assert organisation is not None
    template = load_template("executive_roi")
    given, members = group_report_input(template, organisation, YEAR, sources=sources, known_at_utc=peers.as_of_utc)
    content = group_report(template, given, members)
    data = by_key(content)
    ranks = {name: data[f"RI-5.2 {name}"].value for name in LEVELS}
    assert ranks == {"north": 1, "east": 2, "south": 3, "west": 4, "middle": 5, "shop": None}
    alone = by_key(peers.content("west", sources, "executive_roi"))
    assert alone["RI-5.2 west"].value == ranks["west"]


def test_a_changed_organisation_or_reading_of_a_peer_is_told_by_the_trace(peers: Peers, tmp_path: Path) -> None:
    content = peers.content("west", peers.sources(peers.file))
    figure = next(each for each in content.figures if each.kpi == "rank")
    other = tmp_path / "organisation.yaml"
    other.write_text(yaml.safe_dump(ORGANISATION | {"name": "H"}))
    for file, wanted in ((peers.file, []), (other, ["organisation"])):
        sources = peers.sources(file)
        moved = [each.role for each in figure.trace.inputs if current_sha256(each, sources) != each.sha256]
        assert moved == wanted
    # What was stored then is recomputed with the floor areas of then, which an evidence pack holds too.
    assert {each.id for each in figure.trace.inputs if each.role == "site"} == set(LEVELS)


def test_packs_rank_as_the_command_does_where_nobody_asks_otherwise() -> None:
    asked = BenchmarkOptions()
    assert (asked.seed, asked.confidence, asked.drift) == (SEED, CONFIDENCE, ASSUMED_DRIFT)


def test_simulated_readings_of_a_peer_are_said_of_the_pack(tmp_path: Path) -> None:
    made = Peers(tmp_path)
    try:
        assert not made.content("west", made.sources(made.file)).is_synthetic
        frame = made.lake.current(
            "north", start_utc=datetime(2024, 1, 1, tzinfo=UTC), end_utc=datetime(2024, 1, 2, tzinfo=UTC)
        )
        schema = {k: v for k, v in LAKE_SCHEMA.items() if k not in {"batch_id", "recorded_at_utc"}}
        changed = frame.with_columns(
            value=pl.col("value") + 1, is_synthetic=pl.lit(value=True), is_correction=pl.lit(value=True)
        )
        plant.write(made.lake, changed.select(*schema, "is_correction"), made.clock, name="simulated.csv")
        made.clock.advance(timedelta(minutes=5))
        content = made.content("west", made.sources(made.file))
        assert content.is_synthetic
        assert content.status == "draft"
    finally:
        made.store.close()


def test_no_place_is_told_of_a_site_that_was_bought_within_the_year(peers: Peers, tmp_path: Path) -> None:
    late = tmp_path / "organisation.yaml"
    sites = [each | ({"valid_from": "2024-03-01"} if each["site"] == "west" else {}) for each in ORGANISATION["sites"]]
    late.write_text(yaml.safe_dump(ORGANISATION | {"sites": sites}))
    data = by_key(peers.content("west", peers.sources(late)))
    assert data["ES-2.5"].reason == "The organisation did not own the site through the whole period."


def test_sites_whose_use_nobody_states_are_not_like_each_other(peers: Peers, tmp_path: Path) -> None:
    unsaid = tmp_path / "organisation.yaml"
    sites = [{key: value for key, value in each.items() if key != "subsector"} for each in ORGANISATION["sites"]]
    unsaid.write_text(yaml.safe_dump(ORGANISATION | {"sites": sites}))
    data = by_key(peers.content("west", peers.sources(unsaid)))
    for key in ("ES-2.5", "ES-2.5/percentile", "ES-2.5/low", "ES-2.5/high", "ES-2.5/peers", "ES-2.5/group"):
        assert data[key].reason.startswith("The file of the organisation states no use"), key
    assert data["ES-2.5/value"].value == Decimal("700.8")


def test_a_use_in_capitals_is_the_same_use(peers: Peers, tmp_path: Path) -> None:
    other = tmp_path / "organisation.yaml"
    sites = [each | ({"subsector": "Office"} if each["site"] == "east" else {}) for each in ORGANISATION["sites"]]
    other.write_text(yaml.safe_dump(ORGANISATION | {"sites": sites}))
    assert by_key(peers.content("west", peers.sources(other)))["ES-2.5/peers"].value == Decimal(5)


def test_who_is_nobody_s_peer_is_not_counted_among_them(peers: Peers) -> None:
    less = peers.sites["east"].model_copy(update={"floor_area_m2": 0.001})
    data = by_key(peers.content("east", peers.sources(peers.file, less)))
    assert data["ES-2.5/peers"].source == "missing"
    assert data["ES-2.5/peers"].reason == "It is so far off its peers that its unit or its floor area is wrong."


def test_half_a_year_that_stands_for_a_year_is_said_on_page_one(peers: Peers, tmp_path: Path) -> None:
    def severities(of: Peers) -> list[str]:
        found = of.content("west", of.sources(of.file)).findings
        return [each.severity for each in found if each.code == "part_of_a_year"]

    half = Peers(tmp_path, days=182)
    try:
        assert (severities(peers), severities(half)) == ([], ["warning"])
    finally:
        half.store.close()


@pytest.mark.parametrize("pack", ["executive_roi", "sasb_if_re"])
def test_a_floor_area_of_another_kind_than_the_organisation_s_is_told_where_numbers_are_by_area(
    peers: Peers, pack: str
) -> None:
    odd = peers.sites["west"].model_copy(update={"floor_area_definition": "NIA"})
    sources, template = peers.sources(peers.file, odd), load_template(pack)
    organisation = sources.organisation()
    assert organisation is not None
    given, members = group_report_input(
        template, organisation.model_copy(update={"floor_area": "GIA"}), YEAR, sources=sources,
        known_at_utc=peers.as_of_utc,
    )  # fmt: skip
    found = group_report(template, given, members).findings
    assert [each.message.split(":")[0] for each in found if each.code == "floor_area_definition"] == ["west"]


def test_a_rank_by_opening_hours_stands_beside_the_other_where_they_are_stated(peers: Peers, tmp_path: Path) -> None:
    stated = tmp_path / "organisation.yaml"
    sites = [each | ({"hours_per_week": 40} if each["subsector"] == "office" else {}) for each in ORGANISATION["sites"]]
    sites = [each | ({"hours_per_week": 160} if each["site"] == "north" else {}) for each in sites]
    stated.write_text(yaml.safe_dump(ORGANISATION | {"sites": sites}))
    content = peers.content("west", peers.sources(stated))
    data, by_id = by_key(content), {each.figure_id: each for each in content.figures}
    # All of it runs around the clock: hours change nothing, and the rank is the same one.
    assert {name: data[f"ES-2.5/by_hours_{name}"].value for name in ("value", "rank", "low", "high")} == {
        "value": Decimal("700.8"), "rank": Decimal(4), "low": Decimal(4), "high": Decimal(4),
    }  # fmt: skip
    assert str(data["ES-2.5/by_hours"].value).startswith("by opening hours")
    figure = by_id[data["ES-2.5/by_hours_rank"].figure_id]
    assert json.loads(figure.trace.parameters["hours"])["north"] == 160
    assert recompute(figure, sources=peers.sources(None), lookup=by_id.get) == figure.value
    assert "hours" not in unnamed(figure, "west".__eq__).trace.parameters
    # The shop states none.
    shop = by_key(peers.content("shop", peers.sources(stated)))["ES-2.5/by_hours_rank"]
    assert shop.reason == "The file of the organisation states no opening hours of the site."


def test_a_rank_by_opening_hours_is_that_of_the_scaled_values() -> None:
    """Use beyond the base load goes with the hours: a site open four times as long takes less by them."""
    levels, hours = {"a": 10.0, "b": 12.0, "c": 30.0, "d": 40.0, "e": 50.0}, {"b": 160.0}
    register = {
        name: RegisteredSite(site=name, use="office", floor_area_m2=1000, hours_per_week=hours.get(name, 40.0))
        for name in levels
    }
    energy = year_of(**levels).with_columns(
        kwh=pl.col("kwh") * pl.when(pl.int_range(pl.len()) % 2 == 0).then(2).otherwise(0.1)
    )
    found = intensities(energy, register)
    plain, by_hours = (
        {row.site: row.rank for row in benchmark(found, register, factors=factors, seed=1).rows}
        for factors in ({}, {"hours": hours_factors(found, register)})
    )
    assert (plain["a"], plain["b"], by_hours["a"], by_hours["b"]) == (1, 2, 2, 1)
