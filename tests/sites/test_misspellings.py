"""Sixty seeded misspellings in site file, tariff, device and source: each refused with line and suggestion."""

import itertools
import random
import string
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from typer.testing import CliRunner

from controls.planning.asset_params import params_model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import UNITS
from data_quality.contracts.yaml_file import parsed, place_of
from orchestration.cli.main import build_app

SEED, EACH = 20261124, 15
OWNER = """
site_id: yard
name: Yard
time_zone: Europe/Berlin
currency: EUR
country: DE
latitude_deg: 52.5
longitude_deg: 13.4
floor_area_m2: 140
floor_area_definition: GIA
meters:
  - {meter_id: main, name: Connection, carrier: electricity, connected_load_kw: 30, registers: [{register_id: import}, {register_id: export, unit: kwh, kind: cumulative, digits: 6}]}
  - {meter_id: roof, name: Roof, parent: main, registers: [{register_id: value, unit: wh}]}
drivers:
  - {driver_id: outdoor, name: Outdoor temperature, unit: degc, aggregation: mean}
  - {driver_id: price, unit: per_kwh, aggregation: mean}
seus:
  - {seu_id: house, name: House, meters: [main], day_types: true, drivers: [{driver_id: outdoor, justification: Heating}], baseline: {start: 2024-01-01, end: 2025-01-01}}
column_maps:
  - {match: "a_*.csv", timestamp: Zeit, value: Wert, unit: kwh, zone: Europe/Berlin, label: end, decimal: ",", zero_is_missing: true}
forecast_targets: [main]
forecasts: [{target: outdoor, step_minutes: 60, horizon_h: 48}, {what: base_load, time_to_live_minutes: 90}]
factors: [{factor_id: grid, carrier: electricity, kgco2e_per_kwh: 0.38, valid_from: 2024-01-01, valid_to: 2026-01-01, source: Grid operator}]
price_stream: price
weather_feed: {kind: open_meteo, url: "https://api.open-meteo.com", every_h: 3}
premises: {occupants: [{persons: 3}], degree_days: {driver: outdoor, station: Yard, heating_base_degc: 15.5}}
assets:
  - {asset_id: battery, kind: battery, template: sim_battery_10kwh, meter: main, params: {capacity_kwh: 10, max_charge_kw: 5, max_discharge_kw: 5, soc_min: 0.1, soc_max: 0.9, charge_efficiency: 0.97, wear_per_kwh: 0.05}}
  - {asset_id: roof, kind: pv, template: sim_pv_inverter, meter: roof, params: {peak_kw: 8, tilt_deg: 30, azimuth_deg: 200}}
  - {asset_id: car, kind: ev_charger, name: Car, params: {capacity_kwh: 60, max_kw: 11, phases: 3, max_current_a: 16, efficiency: 0.9, target_soc: 0.8, departure: "07:30", taper: {from_soc: 0.8, end_kw: 2}}}
  - {asset_id: boiler, kind: tank, params: {capacity_kwh: 10, empty_degc: 45, full_degc: 75, loss_kw: 0.08, draw_kw: 0.4, relays_kw: [2], min_on_h: 0.25, thermostat_on_degc: 48, thermostat_off_degc: 60}}
  - {asset_id: pump, kind: heat_pump, params: {capacity_kwh: 12, empty_degc: 30, full_degc: 50, draw_kw: 1, normal_kw: 2, normal_degc: 45, carnot_share: 0.4, design_degc: -12}}
  - {asset_id: bath, kind: room, params: {heater_kw: 1.5, r_k_per_kw: 40, c_kwh_per_k: 0.6, low_degc: 20, high_degc: 24}}
  - {asset_id: washer, kind: appliance, params: {programme_kw: [2, 0.5], programme_step_h: 0.5, windows: [{earliest: "06:00", latest_end: "20:00"}]}}
  - {asset_id: grid, kind: grid_meter, template: meter_sdm630, params: {import_max_kw: 30, export_max_kw: 10, max_imbalance_a: 16}}
  - {asset_id: cellar, kind: heating_relay, params: {power_kw: 1, min_on_s: 60, hard_max_degc: 60, room: {r_k_per_kw: 40, c_kwh_per_k: 0.6, low_degc: 18, high_degc: 22}}}
  - {asset_id: press, kind: machine, params: {max_kw: 20, max_starts_per_hour: 4}}
  - {asset_id: oven, kind: sheddable_load, params: {load_kw: 3, price_per_kwh: 0.4, max_duration_h: 1, min_rest_h: 2}}
tariffs:
  - tariff_id: day_night
    name: Day and night
    supplier: Town
    valid_from: 2024-01-01
    valid_to: 2030-01-01
    export_price_per_kwh: 0.08
    periods: [{period_id: day, price_per_kwh: 0.32, start: "06:00", end: "22:00"}, {period_id: night, price_per_kwh: 0.24, start: "22:00", end: "06:00"}]
    demand: [{charge_id: peak, window_minutes: 15, periods: [{period_id: any, price_per_kw: 9}]}]
    fixed: [{charge_id: base, amount: 12, per: month}]
    taxes: [{charge_id: vat, share: 0.19}]
sources:
  - {source_id: hall, name: Hall, kind: mqtt, host: 10.0.0.2, port: 1883, silent_after_s: 90, time_path: at, time_format: iso, points: [{point: main_kw, stream: main, what: live, unit: kw, topic: tele/main, path: power}]}
  - {source_id: roof_meter, kind: modbus, address: "10.0.0.5:502/1", template: meter_sdm630, every_s: 10, timeout_s: 1, points: [{point: roof, stream: main, register_id: export, what: register, unit: kwh, value_name: read_export_kwh}]}
"""  # noqa: E501
GROUPS = {"device": ("assets",), "tariff": ("tariffs",), "source": ("sources",)}
SUFFIXES = ("kwh", "kw", "w", "wh", "degc", "degf", "h", "s", "min", "a", "percent", "m2", "eur")


def _names(model: Any, seen: set[Any]) -> Iterator[str]:
    """Every key that a model of the tree has."""
    if isinstance(model, type) and issubclass(model, BaseModel) and model not in seen:
        seen.add(model)
        for name, field in model.model_fields.items():
            yield field.alias or name
            yield from _names(field.annotation, seen)
    for inner in typing.get_args(model):
        yield from _names(inner, seen)


def _keys(node: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if isinstance(key, str):
            yield (*at, key)
        yield from _keys(value, (*at, key))


def misspelt(word: str, rng: random.Random) -> str:
    """The word with two letters swapped, one dropped, doubled or replaced, or with another unit at its end."""
    stem, _, unit = word.rpartition("_")
    how = rng.choice(["swap", "drop", "double", "other", *(["unit", "unit"] if stem and unit in SUFFIXES else [])])
    at = rng.randrange(len(word) - 1)
    if how == "swap":
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if how == "drop":
        return word[:at] + word[at + 1 :]
    if how == "other":
        return word[:at] + rng.choice(string.ascii_lowercase) + word[at + 1 :]
    return word[: at + 1] + word[at:] if how == "double" else f"{stem}_{rng.choice(SUFFIXES)}"


def mistakes(seed: int, each: int) -> Iterator[tuple[str, tuple[str | int, ...], str, str]]:
    """Group, place, right word and misspelt word: keys, and now and then a value of a closed list or a unit.

    The parts of a group come in turn: each device, each list of the site file.
    """
    rng, document = random.Random(seed), yaml.safe_load(OWNER)
    site = Site.model_validate(document)
    valid = {*_names(Site, set()), *UNITS, *(n for a in site.assets for n in _names(params_model(a), set()))}
    valid |= {str(_at(document, at)) for at in _keys(document) if at[-1] in CLOSED}
    for group in ("site file", *GROUPS):
        own = [at for at in _keys(document) if (at[0] in GROUPS[group] if group in GROUPS else True)]
        own = [at for at in own if len(at) > 1] if group in GROUPS else [at for at in own if at[0] not in _GROUPED]
        parts: dict[Any, list[tuple[str | int, ...]]] = {}
        for at in own:
            parts.setdefault((at[:2] if group in GROUPS else at[0]) if len(at) > 1 else "top", []).append(at)
        made, turns = 0, itertools.cycle(parts.values())
        while made < each:
            mine = next(turns)
            closed = [at for at in mine if at[-1] in CLOSED]
            place = rng.choice(closed) if closed and rng.random() < 0.2 else rng.choice(mine)
            right = str(_at(document, place)) if place[-1] in CLOSED and rng.random() < 0.5 else str(place[-1])
            if len(right) < 3 or (wrong := misspelt(right, rng)) == right or wrong in valid:
                continue
            made += 1
            yield group, place, right, wrong


# Keys whose values are of a closed list.
CLOSED = {
    *("unit", "aggregation", "carrier", "kind", "label", "per", "template", "time_format"),
    *("time_zone", "what", "zone"),
}
_GROUPED = {name for names in GROUPS.values() for name in names}


def _at(node: Any, place: Sequence[str | int]) -> Any:
    for part in place:
        node = node[part]
    return node


def written(place: Sequence[str | int], right: str, wrong: str) -> tuple[str, int]:
    """The site file with the mistake in it, and the line on which that stands."""
    document = yaml.safe_load(OWNER)
    parent, key = _at(document, place[:-1]), place[-1]
    if right == key:
        items = [(wrong if name == key else name, value) for name, value in parent.items()]
        parent.clear()
        parent.update(items)
        place = (*place[:-1], wrong)
    else:
        parent[key] = wrong
    text = yaml.safe_dump(document, sort_keys=False)
    return text, place_of(parsed(text), place)[0]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("owner")
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("paths: {}\n")
    (folder / "people.yaml").write_text("people: []\n")
    return folder


def problems(project: Path, text: str) -> list[dict[str, Any]]:
    (project / "sites" / "yard.yaml").write_text(text)
    result = CliRunner().invoke(build_app(("check",)), ["check", "--project", str(project), "--json"])
    found: list[dict[str, Any]] = yaml.safe_load(result.stdout)["problems"]
    assert (result.exit_code == 2) is bool(found)
    return found


def test_the_file_without_a_mistake_is_in_order(project: Path) -> None:
    assert problems(project, OWNER) == []


def test_sixty_misspellings_are_refused_with_their_line_and_what_was_meant(project: Path) -> None:
    made = list(mistakes(SEED, EACH))
    missed = []
    for group, place, right, wrong in made:
        text, line = written(place, right, wrong)
        found = problems(project, text)
        if not any(each["line"] == line and f"did you mean {right!r}" in each["mend"] for each in found):
            missed.append((group, place, right, wrong, found))
    assert not missed
    assert len({(place, wrong) for _, place, _, wrong in made}) == len(made) == 60


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("soc_min: 0.1", "soc_min: 0.95", "soc_min 0.95 must be below soc_max 0.9"),
        ("peak_kw: 8", "peak_kw: 0", "peak_kw: expected more than 0"),
        ('departure: "07:30"', 'departure: "07:30", comes: "07:30"', "leaves at 07:30, when it comes"),
        ('departure: "07:30"', 'departure: "2026-01-02T07:30"', "asset 'car': departure 2026-01-02T07:30 has passed"),
        ("asset_id: car", "asset_id: roof", "asset id appears twice: roof"),
        ("asset_id: bath, kind: room", "asset_id: car, kind: ev_charger", "asset id appears twice: car"),
        ("driver_id: price, unit: per_kwh", "driver_id: price, unit: ct_per_kwh", "unknown unit 'ct_per_kwh'"),
        ("zone: Europe/Berlin, label", "zone: Europe/Berln, label", "unknown time zone 'Europe/Berln'"),
        (", params: {heater_kw: 1.5, r_k_per_kw: 40, c_kwh_per_k: 0.6, low_degc: 20, high_degc: 24}", "", "is missing"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(project: Path, right: str, wrong: str, words: str) -> None:
    assert right in OWNER
    found = problems(project, OWNER.replace(right, wrong))
    assert words in " ".join(each["message"] for each in found)
    first = next(number for number, line in enumerate(OWNER.splitlines(), start=1) if right in line)
    assert {each["line"] for each in found} == {first}


def test_all_mistakes_of_a_file_are_reported_at_once(project: Path) -> None:
    wrong = (
        ("forecast_targets: [main]", "forecast_targets: [mian]"),
        ("price_stream: price", "price_stream: prise"),
        ("parent: main", "parent: mian"),
        ("stream: main, what: live", "stream: mnai, what: live"),
        ("floor_area_m2: 140", "floor_aera_m2: 140"),
        ("soc_min: 0.1", "soc_mni: 0.1"),
        ("tilt_deg: 30", "tilt_dgeg: 30"),
    )
    text = OWNER
    for right, mistake in wrong:
        assert right in text
        text = text.replace(right, mistake)
    found = problems(project, text)
    lines = text.splitlines()
    assert [each["line"] for each in found] == sorted({lines.index(x) + 1 for x in lines for _, w in wrong if w in x})
    assert all("did you mean" in each["mend"] for each in found)
