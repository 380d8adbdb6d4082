"""The definition's SQL, run in memory over readings, against the independent oracle; and what a hostile one can do."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.factor_choice.factor_view import factor_view
from assets.kpi.from_readings import EXPECTED, ROLLING, KpiQuery, KpiQuestions, KpiRow, kpi_rows
from assets.sites.scopes import scope_spans
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import KpiDefinition
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from tests.definitions import DEFINITIONS
from tests.kpi.oracle.values import KPIS, kpi_value
from tests.kpi.seeded import PREMISES, SPANS, random_rows, rich_plant

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland")
# The days on which summer time begins and ends there: 92 and 100 quarter hours (94 and 98 at Lord Howe).
SHIFTS = {
    "Europe/Berlin": (date(2025, 3, 30), date(2025, 10, 26)),
    "America/New_York": (date(2025, 3, 9), date(2025, 11, 2)),
    "Asia/Kolkata": (date(2025, 3, 30), date(2025, 10, 26)),
    "Australia/Lord_Howe": (date(2025, 4, 6), date(2025, 10, 5)),
    "Pacific/Auckland": (date(2025, 4, 6), date(2025, 9, 28)),
}


def stored(rows: pl.DataFrame) -> pl.DataFrame:
    """Canonical rows as the lake gives them back."""
    batch_rows = rows.drop("is_correction").with_columns(
        batch_id=pl.lit("b"), recorded_at_utc=pl.lit(datetime(2025, 12, 1, tzinfo=UTC))
    )
    return batch_rows.select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items())


def random_plant(rng: random.Random, zone: str) -> Site:
    """The plant with other areas, people, shares, tenants and contracts, dated on other days, in that zone."""
    premises: dict[str, Any] = {**PREMISES, "tenants": [dict(each) for each in PREMISES["tenants"]]}
    edge = str(SHIFTS[zone][0] + timedelta(days=rng.randint(-1, 1)))
    premises["occupants"] = [
        {"persons": rng.randint(1, 400), "valid_to": edge}, {"persons": rng.randint(1, 400), "valid_from": edge}
    ]  # fmt: skip
    share = rng.choice((0.2, 0.333333, 0.499999))
    for tenant in premises["tenants"][:2]:
        tenant["meters"] = [{**each, "share": share} if "share" in each else each for each in tenant["meters"]]
    premises["renewable_contracts"] = [{"share": rng.choice((0.25, 1)), "valid_from": edge, "source": "s"}]
    return rich_plant(premises=premises, time_zone=zone, floor_area_m2=rng.choice((None, 77.25, 12345.5)))


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**6), zone=st.sampled_from(ZONES), share_missing=st.sampled_from((0.0, 0.004, 0.2)))
def test_sql_and_oracle_agree_to_the_last_digit_on_random_sites_and_days(
    seed: int, zone: str, share_missing: float
) -> None:
    rng = random.Random(seed)
    site, shift = random_plant(rng, zone), rng.choice(SHIFTS[zone])
    first = shift - timedelta(days=rng.randint(0, 2))
    spans = ((first, first + timedelta(days=4)),)
    rows = stored(random_rows(site, seed=seed, spans=spans, share_missing=share_missing))
    factors = factor_view(site)
    scopes = sorted({span.scope for span in scope_spans(site)})
    query = {
        KpiQuery(kpi, scope, start, start + timedelta(days=days))
        for kpi in KPIS
        if kpi not in (*EXPECTED, ROLLING)
        for scope in rng.sample(scopes, 4)
        for start, days in ((shift, 1), (first, 4), (first + timedelta(days=1), 2))
    }
    [found] = kpi_rows([KpiQuestions(site, query, rows, factors)], definition=DEFINITIONS.current())
    compared = 0
    for each in query:
        span = Period(label="", start=each.start, end=each.end, time_zone=zone)
        made = found[each]
        # What is not printed of single days, the marts have no row of: the oracle may still know it.
        if made is not None:
            want = kpi_value(each.kpi, site=site, scope=each.scope, period=span, readings=rows, factors=factors)
            assert made.value == want, each
            compared += want is not None
    assert compared > 20


def ask(*requested: KpiQuery, definition: KpiDefinition | None = None) -> dict[KpiQuery, KpiRow | None]:
    """Rows of the plant over its seeded days."""
    site = rich_plant()
    rows = stored(random_rows(site, seed=1, spans=SPANS[:1]))
    used = definition or DEFINITIONS.current()
    [found] = kpi_rows([KpiQuestions(site, requested, rows, factor_view(site))], definition=used)
    return found


DAY = KpiQuery("consumption_kwh", "site:plant", date(2025, 4, 1), date(2025, 4, 2))


def test_a_definition_is_its_text_and_reads_back_from_it() -> None:
    definition = DEFINITIONS.current()
    assert KpiDefinition.parse(definition.text) == definition
    assert KpiDefinition.parse(definition.text).sha256 == definition.sha256
    with pytest.raises(BadInput, match="is no definition of KPIs"):
        KpiDefinition.parse(definition.text + "\ndrop table lake.readings")
    with pytest.raises(BadInput, match="is no definition of KPIs"):
        KpiDefinition.parse("select 1")


def changed(name: str, sql: str) -> KpiDefinition:
    """The definition with other SQL of one model."""
    return KpiDefinition(
        models=tuple(
            each.model_copy(update={"sql": sql}) if each.name == name else each for each in DEFINITIONS.current().models
        )
    )


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from glob('/*')",
        "select 1 as a; copy (select 1) to '/tmp/stolen.csv'",
        "select 1 as a; attach '/tmp/stolen.duckdb' as stolen",
        "select getenv('HOME') as home",
        "select * from nothing_there",
    ],
)
def test_sql_out_of_a_pack_reaches_nothing_but_its_tables(sql: str) -> None:
    with pytest.raises(BadInput, match="definition of KPIs"):
        ask(DAY, definition=changed("stg_lake__sites", sql))


def test_a_view_out_of_a_pack_that_fails_over_its_rows_is_the_packs_fault() -> None:
    model = next(each for each in DEFINITIONS.current().models if each.name == "int_scope__kpi_energy")
    assert model.is_view
    failing = changed(model.name, f"select * from ({model.sql}) where error('no such number: ' || site_id) is null")
    with pytest.raises(BadInput, match=r"the definition of KPIs cannot be run: .*no such number: plant"):
        ask(DAY, definition=failing)


def test_another_definition_gives_another_figure() -> None:
    model = next(each for each in DEFINITIONS.current().models if each.name == "int_scope__kpi_energy")
    doubled = changed(model.name, model.sql.replace("cast(energy_kwh as decimal(38, 15))", "cast(2 * energy_kwh as decimal(38, 15))"))  # fmt: skip # noqa: E501
    [one], [two] = ask(DAY).values(), ask(DAY, definition=doubled).values()
    assert one is not None
    assert two is not None
    assert one.value is not None
    assert two.value == 2 * one.value


def test_an_unknown_kpi_is_refused_and_a_scope_without_a_row_is_none() -> None:
    with pytest.raises(BadInput, match="knows no KPI 'kwh_per_smile'"):
        ask(DAY._replace(kpi="kwh_per_smile"))
    assert ask(DAY._replace(scope="tenant:nobody")) == {DAY._replace(scope="tenant:nobody"): None}


def test_every_finding_of_a_row_travels() -> None:
    [row] = ask(KpiQuery("cost", "site:plant", date(2025, 3, 27), date(2025, 4, 2))).values()
    assert row is not None
    assert row.findings == ("no_price", "gap") or row.findings == ("gap",)


def test_sites_of_one_run_are_told_apart_where_their_meters_are_called_alike() -> None:
    site = rich_plant()
    annex = Site.model_validate({**dict(site), "site_id": "annex"})
    rows = stored(random_rows(site, seed=1, spans=SPANS[:1]))
    doubled = rows.with_columns(site_id=pl.lit("annex"), value=pl.col("value") * 2)
    meter_day = DAY._replace(scope=f"meter:{site.meters[0].meter_id}")
    [one, two] = kpi_rows(
        [
            KpiQuestions(site, [meter_day], rows, factor_view(site)),
            KpiQuestions(annex, [meter_day], doubled, factor_view(annex)),
        ],
        definition=DEFINITIONS.current(),
    )
    assert (mine := one[meter_day]) is not None
    assert (other := two[meter_day]) is not None
    assert mine.value is not None
    assert other.value == 2 * mine.value > 0
