"""Two organisations worked out by hand, 20 data points each: shares, a sale, a change of approach, own deliveries."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from data_quality.contracts.organisation import Organisation
from data_quality.contracts.reporting.disclosure import Datum
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period
from reports.content.templates import load_template
from reports.make_group_report import group_report, group_report_input
from tests.reports.monthly_world import factor, open_lake, site_of, sources_of, write_months

YEAR = parse_period("2024", "UTC")
# kg CO2e per kWh, UK Government GHG Conversion Factors for Company Reporting 2024 (Open Government Licence v3.0):
# electricity generated; natural gas, gross calorific value; district heat and steam.
UK = "UK Government GHG Conversion Factors 2024, OGL v3.0"
UK_ELECTRICITY, UK_GAS, UK_HEAT = 0.20705, 0.1829, 0.17965
# lb of CO2, CH4 and N2O per MWh, US EPA eGRID2020 total output rates (public domain), by GWP of AR5 (28 and 265).
EGRID = "US EPA eGRID2020 total output, AR5"
CAMX = (513.5 + 0.032 * 28 + 0.004 * 265) * 0.45359237 / 1000
NYUP = (233.5 + 0.016 * 28 + 0.002 * 265) * 0.45359237 / 1000

# The first: a works of which 60 % are held directly and half of another 20 %, a depot sold on 16 May, an office that
# takes a quarter of its heat from the works.
FIRST: dict[str, Any] = {
    "organisation": "first", "name": "First", "currency": "EUR", "approaches": [{"approach": "equity_share"}],
    "entities": [
        {"entity": "works", "name": "Works", "owners": [
            {"owner": "first", "share_percent": 60}, {"owner": "joint", "share_percent": 20},
        ]},
        {"entity": "joint", "name": "Joint", "owners": [{"owner": "first", "share_percent": 50}]},
        {"entity": "own", "name": "Own"},
    ],
    "sites": [
        {"site": "works", "entity": "works"},
        {"site": "depot", "entity": "joint", "valid_to": "2024-05-16"},
        {"site": "office", "entity": "own"},
    ],
    "deliveries": [{"seller": "works", "buyer": "office", "meter": "from_works", "carrier": "heat"}],
}  # fmt: skip
SHARE = 0.6 + 0.2 * 0.5
# Works: 10,000 kWh a month. Depot: half of 2,000 kWh a month for four months and the first half of May. Office: 3,000.
FIRST_ELECTRICITY = SHARE * 12 * 10_000 + 0.5 * (4 * 2_000 + 1_000) + 12 * 3_000
FIRST_GAS = SHARE * 12 * 8_000
# 4,000 kWh a month, of which 1,000 come from the works: 70 % of those were bought by nobody.
FIRST_HEAT = 12 * 4_000 - SHARE * 12 * 1_000
FIRST_ENERGY = FIRST_ELECTRICITY + FIRST_GAS + FIRST_HEAT
FIRST_SCOPE1 = FIRST_GAS * UK_GAS
FIRST_SCOPE2 = FIRST_ELECTRICITY * UK_ELECTRICITY + FIRST_HEAT * UK_HEAT
# The depot counts 31 + 29 + 31 + 30 + 15 = 136 days of 366.
FIRST_AREA = SHARE * 4_200 + 0.5 * 1_830 * 136 / 366 + 2_000
FIRST_WORKED = {
    "gri_2016 302-1-a/natural_gas": FIRST_GAS * 0.0036,
    "gri_2016 302-1-c-i": FIRST_ELECTRICITY * 0.0036,
    "gri_2016 302-1-c-ii": FIRST_HEAT * 0.0036,
    "gri_2016 302-1-e": FIRST_ENERGY * 0.0036,
    "gri_2016 302-3-a": FIRST_ENERGY / FIRST_AREA,
    "gri_2016 302-3-b": FIRST_AREA,
    "gri_2016 305-1-a/metered": FIRST_SCOPE1 / 1000,
    "gri_2016 305-2-a": FIRST_SCOPE2 / 1000,
    # No certificate and no residual mix: the market's figure rests on the grid average.
    "gri_2016 305-2-b": FIRST_SCOPE2 / 1000,
    "gri_2016 305-4-a": (FIRST_SCOPE1 + FIRST_SCOPE2) / FIRST_AREA,
    "esrs_e1 E1-5 37": FIRST_ENERGY / 1000,
    "esrs_e1 E1-5 38 c": FIRST_GAS / 1000,
    "esrs_e1 E1-6 48 a/metered": FIRST_SCOPE1 / 1000,
    "esrs_e1 E1-6 49 a": FIRST_SCOPE2 / 1000,
    "cdp_2025 7.30.1/heat": FIRST_HEAT / 1000,
    "cdp_2025 7.30.16/electricity": FIRST_ELECTRICITY / 1000,
    "ifrs_s2 29(a)(i)(2)": FIRST_SCOPE2 / 1000,
    "sasb_if_re IF-RE-130a.2/total": FIRST_ENERGY * 0.0036,
    "sasb_if_re IF-RE-130a.2/grid": 100 * FIRST_ELECTRICITY / FIRST_ENERGY,
    "vision_2050plus V-1.1/metered": (FIRST_SCOPE1 + FIRST_SCOPE2) / 1000,
}

# The second: operational control until the middle of the year, equity share from then on. A mill that it operates and
# owns to 75 %, a lab that others operate and of which it owns 40 %; the lab takes a quarter of its power from the mill.
SECOND: dict[str, Any] = {
    "organisation": "second", "name": "Second", "currency": "EUR",
    "approaches": [
        {"approach": "operational_control", "valid_to": "2024-07-01"},
        {"approach": "equity_share", "valid_from": "2024-07-01"},
    ],
    "entities": [{"entity": "own", "name": "Own"}],
    "sites": [
        {"site": "mill", "entity": "own", "share_percent": 75},
        {"site": "lab", "entity": "own", "share_percent": 40, "is_operated": False},
    ],
    "deliveries": [{"seller": "mill", "buyer": "lab", "meter": "from_mill", "carrier": "electricity"}],
}  # fmt: skip
# The mill: 50,000 kWh a month, whole for six months, then 75 %.
MILL = 6 * 50_000 + 0.75 * 6 * 50_000
# The lab: nothing for six months; then 40 % of 20,000 kWh a month, without 75 % of the 5,000 that come from the mill.
LAB = 0.4 * 6 * (20_000 - 0.75 * 5_000)
SECOND_SCOPE2 = MILL * CAMX + LAB * NYUP
# 182 days until the first of July, 184 from then on.
SECOND_AREA = 10_000 * (182 + 0.75 * 184) / 366 + 5_000 * 0.4 * 184 / 366
SECOND_WORKED = {
    "gri_2016 302-1-c-i": (MILL + LAB) * 0.0036,
    "gri_2016 302-1-e": (MILL + LAB) * 0.0036,
    "gri_2016 302-3-a": (MILL + LAB) / SECOND_AREA,
    "gri_2016 302-3-b": SECOND_AREA,
    "gri_2016 305-2-a": SECOND_SCOPE2 / 1000,
    "gri_2016 305-2-b": SECOND_SCOPE2 / 1000,
    "gri_2025 103-2-b-ii/electricity": (MILL + LAB) * 0.0036,
    "gri_2025 103-2/metered": (MILL + LAB) * 0.0036,
    "gri_2025 102-6-a/location": SECOND_SCOPE2 / 1000,
    "gri_2025 102-6-a/market": SECOND_SCOPE2 / 1000,
    "esrs_e1 E1-5 37": (MILL + LAB) / 1000,
    "esrs_e1 E1-6 49 a": SECOND_SCOPE2 / 1000,
    "esrs_e1 E1-6 49 b": SECOND_SCOPE2 / 1000,
    "cdp_2025 7.7/location": SECOND_SCOPE2 / 1000,
    "cdp_2025 7.30.1/electricity": (MILL + LAB) / 1000,
    "cdp_2025 7.30.1/total": (MILL + LAB) / 1000,
    "ifrs_s2 29(a)(i)(2)": SECOND_SCOPE2 / 1000,
    "ifrs_s2 29(a)(v)/energy": (MILL + LAB) / 1000,
    "sasb_if_re IF-RE-130a.2/grid": 100.0,
    "tcfd MT-a 32/intensity": (MILL + LAB) / SECOND_AREA,
}


def uk_sites() -> tuple[dict[str, dict[str, float]], list[Site]]:
    """kWh a month of every meter, and the sites of the first organisation."""
    factors = [
        factor("uk-electricity", Carrier.ELECTRICITY, UK_ELECTRICITY, UK),
        factor("uk-gas", Carrier.NATURAL_GAS, UK_GAS, UK),
        factor("uk-heat", Carrier.HEAT, UK_HEAT, UK),
    ]
    heat = (
        Meter(meter_id="heat", carrier=Carrier.HEAT),
        Meter(meter_id="from_works", carrier=Carrier.HEAT, parent="heat"),
    )
    power, gas = Meter(meter_id="power"), Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS)
    sites = [
        site_of("works", (power, gas), factors, floor_area_m2=4200.0),
        site_of("depot", (power,), factors, floor_area_m2=1830.0),
        site_of("office", (power, *heat), factors, floor_area_m2=2000.0),
    ]
    return {
        "works": {"power": 10_000, "gas": 8_000},
        "depot": {"power": 2_000},
        "office": {"power": 3_000, "heat": 4_000, "from_works": 1_000},
    }, sites


def us_sites() -> tuple[dict[str, dict[str, float]], list[Site]]:
    """As `uk_sites`, of the second."""
    power, from_mill = Meter(meter_id="power"), Meter(meter_id="from_mill", parent="power")
    sites = [
        site_of("mill", (power,), [factor("camx", Carrier.ELECTRICITY, CAMX, EGRID)], floor_area_m2=10_000.0),
        site_of("lab", (power, from_mill), [factor("nyup", Carrier.ELECTRICITY, NYUP, EGRID)], floor_area_m2=5_000.0),
    ]
    return {"mill": {"power": 50_000}, "lab": {"power": 20_000, "from_mill": 5_000}}, sites


@pytest.mark.parametrize(
    ("fields", "made", "worked"), [(FIRST, uk_sites, FIRST_WORKED), (SECOND, us_sites, SECOND_WORKED)]
)
def test_a_hand_worked_organisation_is_met_to_a_thousandth(
    tmp_path: Path, fields: dict[str, Any], made: Callable[[], tuple[Any, list[Site]]], worked: dict[str, float]
) -> None:
    assert len(worked) == 20
    organisation, (kwh_a_month, sites) = Organisation.model_validate(fields), made()
    lake, store, clock = open_lake(tmp_path)
    for site in sites:
        write_months(lake, clock, site.site_id, YEAR.start.year, kwh_a_month[site.site_id])
    known_at, sources = store.known_at(clock), sources_of(lake, *sites)
    found: dict[str, Datum] = {}
    for name in dict.fromkeys(each.split(" ", 1)[0] for each in worked):
        template = load_template(name)
        given, members = group_report_input(template, organisation, YEAR, sources=sources, known_at_utc=known_at)
        found |= {f"{name} {each.key}": each for each in group_report(template, given, members).data}
    for key, wanted in worked.items():
        assert found[key].source == "figure", key
        assert float(found[key].value or 0) == pytest.approx(wanted, rel=1e-3), key
    store.close()
