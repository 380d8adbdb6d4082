"""Sources in a site file: they fill streams that exist, in a unit of theirs, each stream once."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import BadConfiguration, load_model

SITE: dict[str, Any] = {
    "site_id": "plant",
    "name": "Plant",
    "time_zone": "Europe/Berlin",
    "currency": "EUR",
    "country": "DE",
    "meters": [
        {"meter_id": "main", "registers": [{"kind": "cumulative"}, {"register_id": "export"}]},
        {"meter_id": "sum", "formula": "main"},
    ],
    "drivers": [
        {"driver_id": "outdoor_degc", "unit": "degc", "aggregation": "mean"},
        {"driver_id": "parts", "unit": "count", "aggregation": "sum"},
    ],
    "assets": [{"asset_id": "grid", "kind": "grid_meter", "template": "sim_grid_meter"}],
}
POINT = {"point": "kwh", "stream": "main", "what": "register", "unit": "wh", "topic": "plant/main", "path": "e.import"}
KINDS: dict[str, dict[str, Any]] = {
    "mqtt": {"point": {"topic": "a/b", "path": "e"}},
    "modbus": {"asset": "grid", "point": {"value_name": "read_import_kwh"}},
    "device": {"asset": "grid", "point": {"value_name": "read_import_kwh"}},
    "bacnet": {"address": "10.0.0.7", "point": {"object": "analog-input,1"}},
    "p1_tcp": {"host": "10.0.0.8", "point": {"obis": "1-0:1.8.1"}},
    "push": {"point": {}},
    "influxdb2": {
        "url": "http://127.0.0.1:8086",
        "org": "plant",
        "bucket": "energy",
        "token_env": "INFLUX_TOKEN",
        "since": "2024-01-01",
        "point": {"measurement": "power", "field": "kwh"},
    },
}


def site(*sources: dict[str, Any]) -> Site:
    return Site.model_validate(SITE | {"sources": sources})


def mqtt(*points: dict[str, Any], source_id: str = "broker") -> dict[str, Any]:
    return {"source_id": source_id, "kind": "mqtt", "points": points}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_reads_its_addresses(kind: str) -> None:
    own = dict(KINDS[kind])
    point = {"point": "kwh", "stream": "main", "what": "register", "unit": "kwh"} | own.pop("point")
    (found,) = site({"source_id": "one", "kind": kind, "points": [point], **own}).sources
    assert (found.kind, found.points[0].stream) == (kind, "main")


def test_prices_fill_a_driver() -> None:
    driver = {"driver_id": "price", "unit": "per_kwh", "aggregation": "mean"}
    point = {"point": "price", "stream": "price", "what": "mean", "unit": "per_mwh"}
    source = {"source_id": "market", "kind": "prices", "provider": "awattar", "url": "https://x.example"}
    Site.model_validate(SITE | {"drivers": [driver], "sources": [source | {"points": [point]}]})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"stream": "mian"}, "is no meter or driver of this site that is read; it has main, outdoor_degc, parts"),
        ({"stream": "sum"}, "is no meter or driver of this site that is read"),
        ({"register_id": "imprt"}, "has no register 'imprt'; it has import, export"),
        ({"register_id": "export"}, "register needs a register of kind cumulative, and 'export' is not"),
        ({"unit": "kw"}, "register wants an amount such as kwh, and kw is none"),
        ({"unit": "m3"}, "m3 does not fill register 'import', which holds kwh"),
        ({"what": "mean"}, "mean fills drivers"),
        ({"what": "interval"}, "interval_minutes belongs to what: interval, and needs it"),
        ({"what": "interval", "interval_minutes": 15}, "interval needs a register of kind interval"),
        ({"what": "pulses"}, "value_per_pulse belongs to what: pulses, and needs it"),
        ({"value_per_pulse": 2}, "value_per_pulse belongs to what: pulses, and this is register"),
        ({"stream": "outdoor_degc", "unit": "degf"}, "register wants an amount"),
        ({"stream": "parts", "what": "mean", "unit": "count"}, "aggregation is sum: what: interval does"),
        ({"stream": "outdoor_degc", "what": "mean", "unit": "percent"}, "does not fill driver 'outdoor_degc'"),
        ({"topic": "plant/+/main"}, "holds a wildcard"),
        ({"point": "a,b"}, "String should match pattern"),
    ],
)
def test_a_point_that_cannot_fill_its_stream_is_refused_with_a_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as raised:
        site(mqtt(POINT | change))
    assert sentence in str(raised.value)


def test_two_points_never_fill_one_register_and_a_live_one_may_stand_beside() -> None:
    with pytest.raises(ValidationError, match=r"fills main\.import, which source 'broker': point 'kwh' fills already"):
        site(mqtt(POINT), mqtt(POINT | {"point": "again"}, source_id="other"))
    live = {"point": "kw", "stream": "main", "what": "live", "unit": "kw", "topic": "plant/main", "path": "kw"}
    volts = live | {"point": "volts", "unit": "degc"}
    assert len(site(mqtt(POINT, live, volts)).sources[0].points) == 3
    with pytest.raises(ValidationError, match="point appears twice: kwh"):
        site(mqtt(POINT, POINT))
    with pytest.raises(ValidationError, match="source id appears twice: broker"):
        site(mqtt(POINT), mqtt(live))


def test_a_modbus_source_names_one_device() -> None:
    point = {"point": "kwh", "stream": "main", "what": "register", "unit": "kwh", "value_name": "read_import_kwh"}
    source = {"source_id": "meter", "kind": "modbus", "points": [point]}
    for given in ({}, {"address": "h:1/1"}, {"asset": "grid", "address": "h:1/1", "template": "x"}):
        with pytest.raises(ValidationError, match="give an asset, or address and template"):
            site(source | given)
    with pytest.raises(ValidationError, match="asset 'gird' is no asset with a template; those are grid"):
        site(source | {"asset": "gird"})


def test_a_point_is_a_reading_of_the_template_and_its_name_says_the_unit() -> None:
    device = {"source_id": "meter", "kind": "device", "asset": "grid"}
    long = {"point": "import_kwh", "stream": "main", "what": "register", "unit": "kwh", "value_name": "read_import_kwh"}
    short = {"point": "import_kwh", "stream": "main", "what": "register"}
    assert site(device | {"points": [short]}) == site(device | {"points": [long]})
    # What is written stands: another name, and another unit of the same kind.
    (own,) = site(device | {"points": [long | {"point": "grid", "unit": "wh"}]}).sources[0].points
    assert (own.point, own.unit) == ("grid", "wh")
    with pytest.raises(ValidationError, match="m3 does not fill register 'import', which holds kwh"):
        site(device | {"points": [short | {"point": "gas_m3"}]})
    for nameless in ({"point": "phase"}, {"point": "phase", "value_name": "read_phase"}):
        with pytest.raises(ValidationError, match=r"points\.0\.unit\s+Field required"):
            site(device | {"points": [short | nameless]})
    # What is not written makes no name that nobody wrote.
    with pytest.raises(ValidationError, match=r"points\.0\.point\s+Field required") as raised:
        site(device | {"points": [{"stream": "main", "what": "register"}]})
    assert "read_None" not in str(raised.value)


def test_a_site_without_sources_is_written_as_before() -> None:
    assert "sources" not in Site.model_validate(SITE).model_dump()


def test_a_misspelled_key_of_a_source_is_named_with_those_of_its_kind(tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    lines = [
        "site_id: plant", "name: Plant", "time_zone: Europe/Berlin", "currency: EUR", "country: DE",
        "meters: [{meter_id: main, registers: [{kind: cumulative}]}]", "sources:", "  - source_id: meter",
        "    kind: modbus", "    points:",
        "      - {point: kwh, stream: main, what: register, unit: kwh, value_nam: read_import_kwh}",
    ]  # fmt: skip
    file.write_text("\n".join(lines))
    with pytest.raises(BadConfiguration) as raised:
        load_model(file, Site)
    (problem,) = raised.value.problems
    assert problem.line == 11
    assert problem.mend == "did you mean 'value_name'?"
