"""The 60 worked footprints of published factors as a pack prints them: metered ones of readings, others answered."""

import csv
import re
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from assets.carbon.files.carbon_files import read_activities
from assets.carbon.files.public_tables import import_table
from assets.carbon.inventory.account import carbon_of
from assets.stores.ledgers.factor_ledger import FactorStore
from data_quality.contracts.factor import Factor, FactorSet, GwpSet
from data_quality.contracts.reporting.disclosure import Datum, DisclosureAnswer
from data_quality.contracts.reporting.report_template import ReportTemplate
from data_quality.contracts.site_file.meter import Carrier, GasFactors, Meter, Register
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period
from reports.content.template_report import template_report
from reports.content.templates import read_template
from reports.datasets.base import ReportInput
from tests.carbon.cases import written
from tests.carbon.test_reference_footprints import UK_NAMES
from tests.reports.monthly_world import open_lake, site_of, sources_of, write_months
from tests.reports.small_packs import HOUSE, pack_text

PACK = pack_text(
    "published",
    'id: electricity, labels: E, value: "footprint.scope2_location_kgco2e[carrier:electricity]", unit: t',
    'id: natural gas, labels: G, value: "footprint.scope1_kgco2e[carrier:natural_gas]", unit: t',
    'id: district heat, labels: H, value: "footprint.scope2_location_kgco2e[carrier:heat]", unit: t',
    "id: losses, labels: T, unit: t",
    "id: water supply, labels: W, unit: t",
    framework=HOUSE.replace("2020", "2010"),
)
METERS = {"electricity": Carrier.ELECTRICITY, "natural gas": Carrier.NATURAL_GAS, "district heat": Carrier.HEAT}
# Losses and water are of Scope 3, which packs ask of the organisation.
KEYS = {each: each for each in METERS} | {"electricity T&D": "losses", "water supply": "water supply"}
YEARS = tuple(range(2016, 2025))
REGIONS = ("CAMX", "ERCT", "NYUP", "HIOA", "US")
A_HUNDREDTH_KG = Decimal("0.00001")


@pytest.fixture(scope="module")
def folder(shared_data: Path) -> Path:
    return shared_data / "emission_factors"


@cache
def expected_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "expected_footprints.csv").open(encoding="utf-8") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}


@cache
def published(path: Path, kind: Any) -> tuple[Factor, ...]:
    return import_table(path, kind)[0].factors


def template_in(folder: Path) -> ReportTemplate:
    (folder / "published.yaml").write_text(PACK)
    return read_template(folder / "published.yaml")


def pack_of(
    tmp_path: Path, site: Site, kwh: dict[str, float], year: int, factors: list[Factor], answers: list[DisclosureAnswer]
) -> dict[str, Datum]:
    """The pack of a site of which so many kWh a month were read, by data point."""
    lake, store, clock = open_lake(tmp_path)
    write_months(lake, clock, site.site_id, year, kwh)
    FactorStore(store).add(
        FactorSet(path="set.csv", sha256="0" * 64, factors=tuple(factors)), clock=clock, tenant=site.site_id
    )
    given = ReportInput(
        site=site, period=parse_period(str(year), "UTC"), as_of_utc=store.known_at(clock),
        sources=sources_of(lake, site), versions={}, answers=answers,
    )  # fmt: skip
    found = {each.key: each for each in template_report(template_in(tmp_path), given).data}
    store.close()
    return found


def plain(unit: str) -> str:
    """A unit as both tables write it."""
    return re.sub("[()]", "", unit).casefold()


def tonnes_off(datum: Datum, row: dict[str, str]) -> Decimal:
    """Tonnes by which the pack is off."""
    assert isinstance(datum.value, Decimal)
    return abs(datum.value - Decimal(row["expected_kg_co2e"]) / 1000)


@pytest.mark.parametrize("year", YEARS)
def test_the_uk_footprints_of_a_year_come_out_of_a_pack(folder: Path, tmp_path: Path, year: int) -> None:
    rows = {row["activity"]: row for row in expected_of(folder).values() if row["case_id"].startswith(f"UK-{year}-")}
    assert len(rows) == 5
    named = {UK_NAMES[each][0]: each for each in METERS}
    first, after = date(year, 1, 1), date(year + 1, 1, 1)
    table = published(folder / "uk_ghg_2016_2024.csv", "uk_ghg")
    factors = [
        each.model_copy(update={"activity": METERS[named[each.activity]].value, "region": ""})
        for each in table
        if each.activity in named and plain(each.unit) == plain(UK_NAMES[named[each.activity]][1])
        and (each.valid_from, each.valid_to) == (first, after)
    ]  # fmt: skip
    gross = GasFactors(valid_from=date(2010, 1, 1), calorific_value_mj_per_m3=39.2, basis="gross", source="bill")
    # The energy is a second register of the gas meter: kWh are of the basis by which its volume became energy.
    both: dict[str, Any] = {
        "registers": (Register(unit="kwh"), Register(register_id="volume", unit="m3")),
        "gas_factors": (gross,),
    }
    meters = [
        Meter(meter_id=name.replace(" ", "_"), carrier=each, **(both if each is Carrier.NATURAL_GAS else {}))
        for name, each in METERS.items()
    ]
    kwh = {each.replace(" ", "_"): float(rows[each]["quantity"]) / 12 for each in METERS}
    # Answered as `carbon --activity` accounts for them.
    lines = [
        f"{each},{UK_NAMES[each][0]},{rows[each]['quantity']},{UK_NAMES[each][1]},{year}"
        for each in rows
        if each not in METERS
    ]
    listed = written(tmp_path / "activity.csv", "id,activity,quantity,unit,year", *lines)
    accounted = carbon_of(read_activities(listed), table)
    answers = [
        DisclosureAnswer(
            pack="published", id=KEYS[line.line_id], site="uk", year=year, value=line.kgco2e / 1000, unit="t",
            author="ben", at=after,
        )
        for line in accounted.lines
    ]  # fmt: skip
    found = pack_of(tmp_path, site_of("uk", meters, country="GB"), kwh, year, factors, answers)
    assert [found[KEYS[each]].source for each in rows] == [
        "figure" if each in METERS else "organisation" for each in rows
    ]
    assert {
        each: tonnes_off(found[KEYS[each]], row)
        for each, row in rows.items()
        if tonnes_off(found[KEYS[each]], row) > A_HUNDREDTH_KG
    } == {}


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("gwp", list(GwpSet))
def test_the_us_footprints_come_out_of_a_pack_in_each_gwp_set(
    folder: Path, tmp_path: Path, region: str, gwp: GwpSet
) -> None:
    row = expected_of(folder)[f"US-{region}-{gwp.value}"]
    factors = [
        each.model_copy(update={"region": "", "gwp_set": gwp})
        for each in published(folder / "egrid2020_subregion_total_output.csv", "egrid")
        if each.region == region
    ]
    site = site_of("us", [Meter(meter_id="power")], country="US")
    found = pack_of(tmp_path, site, {"power": float(row["quantity"]) / 12}, 2020, factors, [])
    assert tonnes_off(found["electricity"], row) <= A_HUNDREDTH_KG
