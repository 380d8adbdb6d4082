"""Organisations: shares by ownership and time, group footprints to the gram, base years restated, faults by line."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.carbon.inventory.consolidate import Accounted, base_year_change, group_footprint
from assets.carbon.inventory.energies import without_deliveries
from assets.sites.organisation import InternalDelivery, like_for_like, load_organisation, parts_of, share_of
from data_quality.contracts.emissions.footprint import SiteEnergy
from data_quality.contracts.errors import BadInput
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.time import parse_period
from orchestration.open_project import OpenProject
from reports.datasets.base import ReportInput
from reports.datasets.footprint_figures import year_account
from reports.recompute import footprint
from tests.carbon.cases import written
from tests.carbon.test_cli_project import answer, recorded, run, works
from tests.carbon.test_portfolio import line, site
from tests.reports.plant import plant_site

__all__ = ["works"]
TEXT = """\
organisation: g
name: Group
currency: EUR
approaches:
  - {approach: equity_share, valid_to: 2025-01-01}
  - {approach: operational_control, valid_from: 2025-01-01}
entities:
  - entity: works
    name: Works
    owners: [{owner: g, share_percent: 60}, {owner: joint, share_percent: 20}]
  - {entity: joint, name: Joint, owners: [{owner: g, share_percent: 50}]}
  - {entity: own, name: Own}
sites:
  - {site: a, entity: works}
  - {site: b, entity: own, valid_to: 2024-07-01}
  - {site: c, entity: joint, valid_from: 2024-10-01, is_operated: false}
base_year: {year: 2024, recalculation_percent: 5}
"""
YEAR = parse_period("2024", "UTC")


def organisation(tmp_path: Path, text: str = TEXT) -> Organisation:
    (tmp_path / "organisation.yaml").write_text(text)
    return load_organisation(tmp_path / "organisation.yaml")


def accounted(found: Organisation, *kgs: int | None, year: str = "2024") -> list[Accounted]:
    """Parts of a year, each with a footprint of so many kg of Scope 2 at 0.5 kg/kWh."""
    parts = parts_of(found, parse_period(year, "UTC"))
    rates = [None if kg is None else Decimal("0.5") for kg in kgs]
    return [
        Accounted(part, site(part.site_id, line(Decimal(2 * (kg or 0)), rate)), Decimal(0))
        for part, kg, rate in zip(parts, kgs, rates, strict=True)
    ]


def test_shares_are_products_along_ownership_and_hold_from_purchase_to_sale(tmp_path: Path) -> None:
    found = organisation(tmp_path)
    parts = parts_of(found, YEAR)
    assert [(part.site_id, part.period.start, part.period.end, part.text, part.share) for part in parts] == [
        ("a", YEAR.start, YEAR.end, "0.6+0.2*0.5", Decimal("0.7")),
        ("b", YEAR.start, date(2024, 7, 1), "1", 1),
        ("c", date(2024, 10, 1), YEAR.end, "0.5", Decimal("0.5")),
    ]  # fmt: skip
    # From 2025 on control decides: what is operated counts whole, what is not does not count.
    assert [(part.site_id, part.share) for part in parts_of(found, parse_period("2025", "UTC"))] == [("a", 1), ("c", 0)]
    changed = parts_of(found, parse_period("2024-12-01/2025-02-01", "UTC"))
    assert [(part.site_id, part.period.days, part.share) for part in changed] == [
        ("a", 31, Decimal("0.7")), ("a", 31, 1), ("c", 31, Decimal("0.5")), ("c", 31, 0),
    ]  # fmt: skip


def test_a_group_is_the_sum_of_shares_of_its_sites(tmp_path: Path) -> None:
    found = group_footprint(organisation(tmp_path), YEAR, accounted(organisation(tmp_path), 1000, 300, 80))
    assert found.scope2_location_kgco2e == 700 + 300 + 40
    (row,) = found.rows
    assert (row.kwh, row.kgco2e, row.weighted_kgco2e_per_kwh) == (2080, 1040, Decimal("0.5"))
    assert found.approaches == ("equity_share",)
    unknown = group_footprint(organisation(tmp_path), YEAR, accounted(organisation(tmp_path), 1000, None, 80))
    assert unknown.scope2_location_kgco2e is None
    # What is not known of a site that does not count leaves the group's total known.
    year = parse_period("2025", "UTC")
    counted = group_footprint(organisation(tmp_path), year, accounted(organisation(tmp_path), 10, None, year="2025"))
    assert counted.scope2_location_kgco2e == 10


amounts = st.decimals(0, 10**7, places=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.decimals("0.000001", 100, places=6), amounts), min_size=1, max_size=6))
def test_a_group_is_exact_to_the_last_digit(parts: list[tuple[Decimal, Decimal]]) -> None:
    found = Organisation.model_validate(
        {
            "organisation": "g", "name": "g", "currency": "EUR", "approaches": [{"approach": "equity_share"}],
            "entities": [
                {"entity": f"e{at}", "name": "e", "owners": [{"owner": "g", "share_percent": share}]}
                for at, (share, _) in enumerate(parts)
            ],
            "sites": [{"site": f"s{at}", "entity": f"e{at}"} for at in range(len(parts))],
        }
    )  # fmt: skip
    accounts = [
        Accounted(part, site(part.site_id, line(kg, Decimal(1))), Decimal(0))
        for part, (_, kg) in zip(parts_of(found, YEAR), parts, strict=True)
    ]
    total = group_footprint(found, YEAR, accounts).scope2_location_kgco2e
    # Whole numbers of 1e-8 × 1e-6 do not round.
    assert total is not None
    assert int(total.scaleb(14)) == sum(int(share.scaleb(6)) * int(kg.scaleb(6)) for share, kg in parts)


def test_a_base_year_is_restated_by_the_structure_of_a_later_day(tmp_path: Path) -> None:
    found = organisation(tmp_path, TEXT.replace("equity_share, valid_to: 2025-01-01", "equity_share").replace(
        "  - {approach: operational_control, valid_from: 2025-01-01}\n", ""))  # fmt: skip
    wholes = {
        name: site(name, line(Decimal(2 * kg), Decimal("0.5"))) for name, kg in (("a", 1000), ("b", 700), ("c", 400))
    }
    change = base_year_change(
        found, YEAR, structure_of=date(2025, 12, 31), wholes=wholes, parts=accounted(found, 1000, 300, 80)
    )
    assert [(each.site_id, each.reported_kgco2e, each.recalculated_kgco2e, each.cause) for each in change.sites] == [
        ("a", 700, 700, "unchanged"), ("b", 300, 0, "sold"), ("c", 40, 200, "acquired"),
    ]  # fmt: skip
    assert (change.reported_kgco2e, change.recalculated_kgco2e, change.is_due) == (1040, 900, True)
    assert like_for_like(found, [YEAR, parse_period("2025", "UTC")]) == ("a",)


def test_deliveries_between_own_sites_are_left_out_at_the_sellers_share(tmp_path: Path) -> None:
    found = organisation(tmp_path, TEXT + "deliveries: [{seller: a, buyer: b, meter: from_a, carrier: heat}]\n")
    _, part, _ = parts_of(found, YEAR)
    assert part.left_out == (InternalDelivery("from_a", Carrier.HEAT, Decimal("0.7")),)
    day = date(2024, 1, 1)
    bought = [
        SiteEnergy(carrier=carrier, start=day, end=date(2024, 1, 2), kwh=Decimal(100), role=role)
        for carrier, role in (
            (Carrier.HEAT, "purchased"), (Carrier.HEAT, "secondary"), (Carrier.ELECTRICITY, "purchased"),
        )
    ]  # fmt: skip
    buyer = plant_site(site_id="b", time_zone="UTC")
    readings = heat_read(50.0)
    left, kwh = without_deliveries(bought, readings, site=buyer, left_out=part.left_out)
    # 30 % of the seller belong to others: that part of its heat is bought from outside.
    assert ([each.kwh for each in left], kwh) == ([65, 100, 100], 35)
    with pytest.raises(BadInput, match=r"b: own sites delivered 140.* kWh of heat on 2024-01-01, but only 100 were"):
        without_deliveries(bought, heat_read(200.0), site=buyer, left_out=part.left_out)


def heat_read(kwh: float) -> pl.DataFrame:
    """One reading of the buyer's meter of delivered heat."""
    row = {
        "site_id": "b", "meter_id": "from_a", "register": "import", "unit": "kwh", "value": kwh, "quality_code": 0,
        "interval_start_utc": datetime(2024, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return pl.DataFrame([row])


HOLED = (
    "owners: [{owner: g, share_percent: 50, valid_to: 2024-02-01}, "
    "{owner: g, share_percent: 5, valid_from: 2024-03-01}]"
)
FAULTS = [
    (
        "owner: g, share_percent: 50",
        "owner: works, share_percent: 50",
        8,
        "'works' owns a part of itself: ownership is a ring",
    ),
    ("joint, share_percent: 20}", "joint, share_percent: 50}", 8, "its owners hold 110 % on"),
    ("- {site: c,", "- {site: b, entity: own}\n  - {site: c,", 16, "'b' is in 'own' and in 'own' on one day"),
    (
        "owner: g, share_percent: 60",
        "owner: gg, share_percent: 60",
        10,
        "'gg', an owner of 'works', is not of this file",
    ),
    ("entity: joint, valid", "entity: jont, valid", 16, "'jont', entity of 'c', is not of this file"),
    ("owners: [{owner: g, share_percent: 50}]", HOLED, 11, "no owner from 2024-02-01 to 2024-03-01"),
    ("valid_from: 2025-01-01}", "valid_from: 2024-12-01}", 4, "two approaches hold on one day"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), FAULTS)
def test_a_fault_of_the_organisation_names_file_and_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    assert old in TEXT
    with pytest.raises(BadInput, match=message) as fault:
        organisation(tmp_path, TEXT.replace(old, new))
    assert (Path(fault.value.file or "").name, fault.value.line) == ("organisation.yaml", line)


def test_an_organisation_that_is_not_there_has_no_rate_or_no_approach_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="this project has no organisation"):
        load_organisation(tmp_path / "organisation.yaml")
    found = organisation(tmp_path)
    with pytest.raises(BadInput, match="unknown organisation 'h'; this project has 'g'"):
        load_organisation(tmp_path / "organisation.yaml", "h")
    with pytest.raises(BadInput, match="states no rate of USD in EUR on 2024-01-01"):
        found.rate_on("USD", date(2024, 1, 1))
    assert found.rate_on("EUR", date(2024, 1, 1)) == 1
    late = organisation(tmp_path, TEXT.replace("equity_share, valid", "equity_share, valid_from: 2024-02-01, valid"))
    with pytest.raises(BadInput, match="'g' has no approach on 2024-01-01"):
        parts_of(late, YEAR)
    assert share_of("0.6*0.5+0.4") == Decimal("0.70")


def test_the_command_shows_a_group_and_check_knows_its_file(works: Path) -> None:
    text = TEXT.replace("site: a,", "site: works,").split("  - {site: b")[0]
    (works / "organisation.yaml").write_text(text)
    found = answer(works, "carbon", "group", "--organisation", "g", "--period", "2024-01-01/2024-01-03")
    (part,) = found["parts"]
    assert (part["site_id"], part["share"], part["share_text"]) == ("works", 0.7, "0.6+0.2*0.5")
    assert found["scope2_location_kgco2e"] is None
    refused = run(works, "carbon", "group", "--organisation", "g", "--period", "2024", "--base-year", code=2)
    assert "'g' has no base year" in refused.output
    (works / "organisation.yaml").write_text(text.replace("site: works,", "site: wroks,"))
    refused = run(works, "carbon", "group", "--organisation", "g", "--period", "2024", code=2)
    assert "unknown site 'wroks'" in refused.output


def test_a_certificate_is_claimed_once_by_the_days_of_a_year_and_by_the_parts_of_a_group(
    works: Path, tmp_path: Path
) -> None:
    recorded(works, tmp_path, "0.2")
    head = "scope,activity,unit,kg_co2e_per_unit,valid_from,valid_to,factor_id,basis,instrument_kwh"
    held = written(tmp_path / "held.csv", head, "2,electricity,kWh,0,2023-06-01,2024-06-01,GO,certificate,100")
    answer(works, "factors", "add", held, "--tenant", "works")
    days, name = ("2024-01-01/2024-01-02", "2024-01-02/2024-01-03"), "scope2_market_kgco2e"
    words = ("carbon", "footprint", "--site", "works", "--period")
    # Of 96 kWh a day the first takes 96 of 100, the second four.
    assert [answer(works, *words, each)[name] for each in days] == [0, pytest.approx(18.4)]
    owners = ", ".join(f"{{owner: g, share_percent: {share}, {end}: 2024-01-02}}" for share, end in
                       ((60, "valid_to"), (50, "valid_from")))  # fmt: skip
    (works / "organisation.yaml").write_text(
        "organisation: g\nname: Group\ncurrency: GBP\napproaches: [{approach: equity_share}]\n"
        f"entities: [{{entity: own, name: Own, owners: [{owners}]}}]\nsites: [{{site: works, entity: own}}]\n"
    )
    found = answer(works, "carbon", "group", "--organisation", "g", "--period", "2024-01-01/2024-01-03")
    assert found[name] == pytest.approx(9.2)
    # A report's figure of a part that begins within a month, from the account of the year.
    project = OpenProject(str(works))
    spans = [parse_period(each, "Europe/London") for each in (days[1], "2024-01-01/2024-01-03")]
    now = datetime(2030, 1, 1, tzinfo=UTC)
    value = footprint.number(project.sources(), project.site("works"), *spans, now, field=name)
    assert value == Decimal("18.4")
    given = ReportInput(project.site("works"), spans[0], now, project.sources(), {})
    assert year_account(given, spans[0]).start == date(2023, 6, 1)
    project.close()
