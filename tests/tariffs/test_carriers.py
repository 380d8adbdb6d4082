"""`meterloom tariff carriers`: each carrier has its own unit, price and factor, and none borrows another's."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from orchestration.cli.main import build_app

SITE = """\
site_id: works
name: Works
time_zone: Europe/Berlin
country: DE
currency: EUR
meters:
  - {meter_id: main}
  - {meter_id: press, parent: main}
  - {meter_id: gas, carrier: natural_gas}
  - {meter_id: steam, carrier: steam, is_secondary: false}
  - {meter_id: air, carrier: compressed_air, made_from: [press]}
  - {meter_id: cold, carrier: cooling}
  - {meter_id: water, carrier: water}
tariffs:
  - tariff_id: power
    periods:
      - {period_id: day, price_per_kwh: 0.3, start: 06:00, end: 22:00}
      - {period_id: night, price_per_kwh: 0.2, start: 22:00, end: 06:00}
  - {tariff_id: gas, commodity: gas, periods: [{period_id: all, tiers: [{price: 0.09, up_to: 1000}, {price: 0.08}]}]}
  - {tariff_id: steam, commodity: steam, periods: [{period_id: all, price_per_kwh: 0.11}]}
  - {tariff_id: air, commodity: compressed_air, periods: [{period_id: all, price_per_kwh: 0.15}]}
  - {tariff_id: water, commodity: water, periods: [{period_id: all, price_per_m3: 4.25}]}
factors:
  - {factor_id: grid, kgco2e_per_kwh: 0.38, valid_from: 2025-01-01, valid_to: 2026-01-01, source: s}
  - {factor_id: pipe, carrier: steam, kgco2e_per_kwh: 0.21, valid_from: 2025-01-01, valid_to: 2026-01-01, source: s}
"""


def run(*words: str) -> Any:
    result = CliRunner().invoke(build_app(("init", "tariff")), list(words))
    assert result.exit_code == 0, result.output
    return result


def test_each_carrier_of_a_site_has_its_unit_price_and_factor(tmp_path: Path) -> None:
    site, project = tmp_path / "works.yaml", tmp_path / "p"
    site.write_text(SITE)
    run("init", str(project), "--site", str(site))
    words = ("tariff", "carriers", "--site", "works", "--project", str(project), "--on", "2025-06-02")
    found = json.loads(run(*words, "--json").stdout)
    rows = {
        row["carrier"]: (
            row["unit"], row["lowest_price"], row["highest_price"], row["price_of"], row["highest_kgco2e_per_kwh"],
            row["factor_of"], row["is_made_on_site"],
        )
        for row in found["carriers"]
    }  # fmt: skip
    assert rows == {
        "electricity": ("kWh", 0.2, 0.3, ["power"], 0.38, ["grid"], False),
        # Tiers have no price before the bill.
        "natural_gas": ("kWh", None, None, ["gas"], None, [], False),
        "steam": ("kWh", 0.11, 0.11, ["steam"], 0.21, ["pipe"], False),
        "compressed_air": ("kWh", 0.15, 0.15, ["air"], None, [], True),
        "cooling": ("kWh", None, None, [], None, [], False),
        "water": ("m3", 4.25, 4.25, ["water"], None, [], False),
    }
    text = run(*words).stdout
    assert "prices are in EUR per unit" in text
    assert "0.2 to 0.3" in text
    assert "nothing: no tariff" in text
    assert "counted where it is made of" in text
    later = json.loads(run(*words[:-1], "2026-06-02", "--json").stdout)
    assert [row["factor_of"] for row in later["carriers"]] == [[]] * 6
    assert len(json.loads(run(*words[:-2], "--json").stdout)["carriers"]) == 6
    for day in ("9999-12-31", "0001-01-01"):
        refused = CliRunner().invoke(build_app(("tariff",)), [*words[:-1], day])
        assert (refused.exit_code, day in refused.stderr) == (2, True), refused.stderr
