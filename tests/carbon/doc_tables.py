"""The tables of docs/ems/carbon_accounting.md that are written from the code."""

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from assets.carbon.factor_choice.gwp import BLENDS, GWP100, gwp_of
from assets.carbon.factor_choice.match_units import ratio
from assets.carbon.inventory.chp import ChpShares
from data_quality.contracts.emissions.carbon import CarbonLine, CarbonResult
from data_quality.contracts.emissions.footprint import (
    Footprint,
    FootprintLine,
    PortfolioFootprint,
    RestatedLine,
    Restatement,
)
from data_quality.contracts.emissions.group_footprint import BaseYearChange, GroupFootprint, GroupPart
from data_quality.contracts.emissions.hourly_carbon import HourlyScope2
from data_quality.contracts.factor import GwpSet

ROOT = Path(__file__).resolve().parents[2]
_CODE = re.compile(r'code=f?"([a-z0-9_]+)(?:\{|")')
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
CARBON_FILES = (
    *sorted((ROOT / "assets" / "carbon").rglob("*.py")),
    *sorted((ROOT / "orchestration/operations/carbon").glob("*.py")),
)
UNITS = {
    "kWh": ("Wh", "MWh", "GWh", "kJ", "MJ", "GJ", "TJ", "therm", "Btu", "kBtu", "MMBtu", "Dth"),
    "m3": ("litres", "million litres", "US gallons", "ft3", "ccf", "mcf"),
    "kg": ("g", "tonnes", "lb", "short tons"),
    "km": ("miles",),
}
FINDINGS = {
    "calorific_basis": "blocking: gas and its factor are of different calorific bases; the line is unknown, never zero",
    "co2_alone": "the source gives CO2 alone; CH4 and N2O are not in the figure",
    "coverage": "part of the time was not read; emissions are of what was read, not scaled up",
    "criteria_not_stated": "an instrument is used although its set is silent about some quality criteria",
    "generation_as_purchase": "a meter of generation counts in the register of what is bought: its kWh are in Scope 2",
    "hourly_instrument_overdrawn": "an instrument made more in its hours than its amount allows; the rest is not used",
    "hourly_instrument_unknown": "an hourly stream is declared for an instrument that nothing records",
    "instrument_claimed_twice": "blocking: two sites use one certificate or contract",
    "instrument_not_named": "an instrument could cover a line that names none, in a file that has the column; not used",
    "instrument_refused": "an instrument fails a criterion, is of another market, vintage, time or customer; not used",
    "instrument_short": "the instrument that a line names covers a part of it; the rest goes by what stands below",
    "instrument_unclaimed": "energy of an instrument is left, or all of it",
    "latest_factor": "a factor stands in beyond the days that it was published for (`--latest`)",
    "missing_month": "blocking: nothing of a carrier was read in a month; the total of its scope is unknown",
    "missing_time": "a list of activities has a hole; with its coverage",
    "no_annual_factor": "the sets given beside an hourly load have no annual factor of electricity to compare with",
    "no_factor": "blocking: days without a factor; the line and its total are unknown, never zero",
    "no_residual_mix": "what no instrument covers goes by grid average; energy that others have claimed may be in it",
    "not_counted_": "energy in no total, with its kWh and why: `exported`, `self_consumed`, `secondary`; or "
    "`electricity` that no meter counts as bought, `fuel` that no meter counts",
    "own_delivery_left_out": "energy from another site of the organisation is left out of a group's figures",
    "split_by_days": "several factors hold within an activity; it is divided among them by days",
}


def tables() -> dict[str, str]:
    """Markdown of each generated block."""
    return {"units": _units(), "gwp": _gwp(), "findings": _findings(), "json": _json()}


def filled_tables(page: str) -> str:
    """The page with its generated blocks as the code has them now."""
    made = tables()
    return _BLOCK.sub(lambda found: f"{found[1]}{made[found[2]]}\n{found[3]}", page)


def codes_in_use() -> set[str]:
    """Every finding that the carbon code can give."""
    found = {code for path in CARBON_FILES for code in _CODE.findall(path.read_text(encoding="utf-8"))}
    return {"not_counted_" if code.startswith("not_counted") else code for code in found}


def _units() -> str:
    rows = []
    for canonical, units in UNITS.items():
        cells = [f"1 {unit} = {_plain(by)}" for unit in units if (by := ratio(unit, canonical)) is not None]
        rows.append((canonical, "; ".join(cells)))
    return _table(("In", "Conversions"), rows)


def _plain(by: Fraction) -> str:
    ten = by.denominator
    for prime in (2, 5):
        while ten % prime == 0:
            ten //= prime
    return f"{Decimal(by.numerator) / by.denominator:f}" if ten == 1 else f"{by.numerator:,} / {by.denominator:,}"


def _gwp() -> str:
    rows = [(gas, *(f"{values[gwp]:f}" for gwp in GwpSet), "") for gas, values in GWP100.items()]
    rows += [
        (
            blend,
            *(f"{gwp_of(blend, gwp).normalize():f}" for gwp in GwpSet),
            ", ".join(f"{gas} {(share * 100).normalize():f} %" for gas, share in parts.items()),
        )
        for blend, parts in BLENDS.items()
    ]
    return _table(("Gas or blend, 100 years", *GwpSet, "By mass"), rows)


def _findings() -> str:
    return _table(
        ("Finding", "Meaning"), [(f"`{code}{'…' if code[-1] == '_' else ''}`", text) for code, text in FINDINGS.items()]
    )


def _json() -> str:
    lines = [name.replace("line_id", "id") for name in CarbonLine.model_fields]
    account = [*(name for name in CarbonResult.model_fields), "factor_sets[] {path, sha256, rows}"]
    hourly = [name for name in HourlyScope2.model_fields if name != "findings"]
    restated = [name for name in Restatement.model_fields if name not in ("old", "new")]
    rows = [
        ("`carbon --activity`", account),
        ("… `lines[]`", lines),
        ("`carbon --hourly-load`", [*list(CarbonResult.model_fields)[:3], "lines", "hourly", "coverage", "findings"]),
        ("… `hourly`", hourly),
        ("`carbon footprint --site`", list(Footprint.model_fields)),
        ("… `lines[]`", list(FootprintLine.model_fields)),
        ("`carbon footprint --portfolio`", list(PortfolioFootprint.model_fields)),
        ("`carbon group`", [*GroupFootprint.model_fields, "base_year{}", "like_for_like"]),
        ("… `parts[]`", list(GroupPart.model_fields)),
        ("… `base_year`", list(BaseYearChange.model_fields)),
        ("`carbon restate --site`", [*restated, "old{}", "new{}"]),
        ("… `lines[]`", list(RestatedLine.model_fields)),
        ("`carbon chp`", list(ChpShares.model_fields)),
        ("`factors import`", ["rows", "sha256", "path", "factors", "kind"]),
        ("`factors add`", ["set_id", "new_rows", "unchanged_rows", "recorded_at_utc", "sha256"]),
        ("`factors withdraw`", ["set_id", "withdrawn_rows", "recorded_at_utc"]),
    ]
    return _table(("Command", "Keys"), [(name, ", ".join(f"`{key}`" for key in keys)) for name, keys in rows])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    body = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in body)
