"""The dated hierarchy: one parent at a time, no loop on any date, totals that count energy once."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from assets.sites.load_sites import load_site
from assets.sites.meter_tree import (
    children_of,
    has_import,
    parent_of,
    primary_meters,
    regions_of,
    submeters_of,
    total_meters,
    tree_spans,
)
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.yaml_file import BadConfiguration
from tests.sites.test_calendar import site

HEAD = "site_id: plant\nname: P\ntime_zone: Europe/Berlin\ncurrency: EUR\ncountry: DE\nmeters:\n"
MOVED = date(2025, 6, 1)


def refused(tmp_path: Path, meters: str) -> BadConfiguration:
    path = tmp_path / "plant.yaml"
    path.write_text(HEAD + meters)
    with pytest.raises(BadConfiguration) as fault:
        load_site(path)
    return fault.value


def moving() -> Site:
    """The press moves from hall a to hall b on 1 June 2025."""
    parents = [{"parent": "a", "valid_to": MOVED}, {"parent": "b", "valid_from": MOVED}]
    meters = [
        {"meter_id": "main"},
        {"meter_id": "a", "parent": "main"},
        {"meter_id": "b", "parent": "main"},
        {"meter_id": "press", "parents": parents},
    ]
    return site(meters=tuple(Meter.model_validate(each) for each in meters))


def test_a_relocated_meter_has_the_parent_of_the_day() -> None:
    place = moving()
    assert parent_of(place, "press", date(2025, 5, 31)) == "a"
    assert parent_of(place, "press", MOVED) == "b"
    assert parent_of(place, "press") == "b"
    assert children_of(place, "a", date(2025, 5, 31)) == ("press",)
    assert children_of(place, "a", MOVED) == ()
    assert [span.start for span in tree_spans(place)] == [date.min, MOVED]
    assert parent_of(place, "nobody") is None


def test_a_span_that_ended_leaves_a_meter_without_parent() -> None:
    meter = Meter.model_validate({"meter_id": "x", "parents": [{"parent": "main", "valid_to": MOVED}]})
    place = site(meters=(Meter(meter_id="main"), meter))
    assert parent_of(place, "x") is None
    assert total_meters(place, Carrier.ELECTRICITY) == ("main", "x")
    assert total_meters(place, Carrier.ELECTRICITY, date(2025, 1, 1)) == ("main",)


def test_two_parents_at_one_time_are_refused_with_file_and_line(tmp_path: Path) -> None:
    fault = refused(
        tmp_path,
        "  - {meter_id: a}\n  - {meter_id: b}\n  - meter_id: c\n    parents:\n"
        "      - {parent: a, valid_to: 2025-06-02}\n      - {parent: b, valid_from: 2025-06-01}\n",
    )
    assert (fault.file, fault.line) == (str(tmp_path / "plant.yaml"), 10)
    assert "two at one time, 'a' and 'b' on 2025-06-01" in str(fault)


def test_parent_and_parents_together_are_refused(tmp_path: Path) -> None:
    fault = refused(tmp_path, "  - {meter_id: a}\n  - {meter_id: b, parent: a, parents: [{parent: a}]}\n")
    assert "parent is given too" in str(fault)
    assert fault.line == 8


def test_a_loop_on_a_later_date_is_refused(tmp_path: Path) -> None:
    fault = refused(
        tmp_path,
        "  - meter_id: a\n    parents: [{parent: b, valid_from: 2025-06-01}]\n"
        "  - meter_id: b\n    parents: [{parent: a, valid_to: 2025-07-01}]\n",
    )
    assert "loop through 'a' on 2025-06-01: a -> b -> a" in str(fault)
    assert fault.line == 7


def test_a_loop_of_parents_is_refused_with_its_path(tmp_path: Path) -> None:
    fault = refused(
        tmp_path, "  - {meter_id: a, parent: c}\n  - {meter_id: b, parent: a}\n  - {meter_id: c, parent: b}\n"
    )
    assert "meter hierarchy has a loop through 'a': a -> c -> b -> a" in str(fault)


def test_a_meter_below_itself_is_a_loop(tmp_path: Path) -> None:
    assert "loop through 'a': a -> a" in str(refused(tmp_path, "  - {meter_id: a, parent: a}\n"))


def test_a_chain_of_many_meters_is_no_loop() -> None:
    meters = [Meter(meter_id="m0")] + [Meter(meter_id=f"m{at}", parent=f"m{at - 1}") for at in range(1, 1500)]
    assert parent_of(site(meters=tuple(meters)), "m1499") == "m1498"


@pytest.mark.parametrize(
    ("meter", "sentence", "line"),
    [
        ("{meter_id: x, formula: main - lihgts}", "'lihgts' is not of this site; did you mean 'lights'?", 9),
        ("{meter_id: x, formula: abs(main)}", "column 4: expected", 9),
        ("{meter_id: x, formula: main.upper}", "'main' has no register 'upper'; it has import", 9),
        ("{meter_id: x, formula: main + water}", "'water' is in m3, this meter in kwh", 9),
        ("{meter_id: x, formula: main + gas}", "'gas' measures natural_gas, this meter electricity", 9),
        ("{meter_id: x, formula: battery}", "write battery.charge or battery.discharge", 9),
        ("{meter_id: x, formula: 2 * x}", "virtual meters has a loop through 'x'", 9),
        ("{meter_id: x, made_from: [x]}", "cannot be made from itself", 9),
        ("{meter_id: x, made_from: [mian]}", "'mian' is not of this site; did you mean 'main'?", 9),
        ("{meter_id: x, parents: [{parent: mian}]}", "'mian' is not of this site; did you mean 'main'?", 9),
        ("{meter_id: x, made_from: [gas], is_secondary: false}", "made from others, so it is secondary", 9),
        ("{meter_id: x, formula: main, registers: [{}, {register_id: export}]}", "a virtual meter has one register", 9),
        (
            "{meter_id: x, parents: [{parent: main, valid_from: 2025-02-01, valid_to: 2025-02-01}]}",
            "before it starts",
            9,
        ),
        ("{meter_id: x, formula: air_c}", "is a level in degc; only amounts add up", 9),
    ],
)
def test_a_meter_that_contradicts_the_site_is_refused_with_its_line(
    tmp_path: Path, meter: str, sentence: str, line: int
) -> None:
    others = (
        "  - {meter_id: water, carrier: water, registers: [{unit: m3}]}\n"
        "  - {meter_id: gas, carrier: natural_gas}\n"
        "  - {meter_id: battery, registers: [{register_id: charge}, {register_id: discharge}]}\n"
        "  - {meter_id: air_c, registers: [{unit: degc}]}\n"
    )
    fault = refused(tmp_path, f"  - {{meter_id: main}}\n  - {{meter_id: lights}}\n  - {meter}\n{others}")
    assert sentence in str(fault)
    assert fault.line == line


def test_a_loop_of_virtual_meters_is_refused(tmp_path: Path) -> None:
    fault = refused(
        tmp_path,
        "  - {meter_id: a}\n  - {meter_id: v, formula: a - w}\n  - {meter_id: w, formula: 0.5 * v}\n",
    )
    assert "virtual meters has a loop through 'v': v -> w -> v" in str(fault)


CARRIERS = (
    Meter(meter_id="main"),
    Meter(meter_id="compressor", parent="main"),
    Meter(meter_id="air", carrier=Carrier.COMPRESSED_AIR, made_from=("compressor",)),
    Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS),
    Meter(meter_id="boiler_steam", carrier=Carrier.STEAM),
    Meter(meter_id="district_steam", carrier=Carrier.STEAM, is_secondary=False),
    Meter(meter_id="heat", carrier=Carrier.HEAT, parent="gas"),
    Meter(meter_id="chp", parent="gas", made_from=("gas",)),
    Meter(meter_id="cold", carrier=Carrier.COOLING, is_secondary=True),
    Meter.model_validate({"meter_id": "water", "carrier": "water", "registers": [{"unit": "m3"}]}),
    Meter(meter_id="rest", formula="main - compressor"),
)


def test_a_secondary_carrier_is_never_added_beside_what_made_it() -> None:
    place = site(meters=CARRIERS)
    assert primary_meters(place) == ("main", "gas", "district_steam")
    assert total_meters(place, Carrier.ELECTRICITY) == ("main",)
    assert total_meters(place, Carrier.COMPRESSED_AIR) == ()
    assert total_meters(place, Carrier.STEAM) == ("district_steam",)
    assert total_meters(place, Carrier.COOLING) == ()


def test_water_is_in_no_energy_total_but_has_one_of_its_own() -> None:
    place = site(meters=CARRIERS)
    assert total_meters(place, Carrier.WATER) == ("water",)
    assert not has_import(place.meters[9])
    assert "water" not in primary_meters(place)


def test_a_virtual_group_in_between_does_not_hide_its_members_from_the_total() -> None:
    meters = (
        Meter(meter_id="floors", formula="one + two"),
        Meter(meter_id="one", parent="floors"),
        Meter(meter_id="two", parent="floors"),
    )
    assert total_meters(site(meters=meters), Carrier.ELECTRICITY) == ("one", "two")
    under = (Meter(meter_id="main"), meters[0].model_copy(update={"parent": "main"}), *meters[1:])
    assert total_meters(site(meters=under), Carrier.ELECTRICITY) == ("main",)
    assert primary_meters(site(meters=under)) == ("main",)


def test_submeters_are_of_the_parents_carrier_and_read() -> None:
    meters = (*CARRIERS, Meter(meter_id="spare", parent="main", formula="0.5 * compressor"))
    place = site(meters=meters)
    assert submeters_of(place, "main") == ("compressor",)
    assert children_of(place, "gas") == ("heat", "chp")
    assert submeters_of(place, "gas") == ()
    assert submeters_of(place, "nobody") == ()


def test_two_sets_of_meters_overlap_where_they_hold_the_same_energy() -> None:
    place = site(meters=CARRIERS)
    assert regions_of(place, ["main"]) & regions_of(place, ["compressor"]) == {"compressor"}
    assert not regions_of(place, ["rest"]) & regions_of(place, ["compressor"])
    assert regions_of(place, ["rest"]) == {"main"}
    assert not regions_of(place, ["gas"]) & regions_of(place, ["main"])


def test_the_hierarchy_survives_being_stored() -> None:
    for place in (moving(), site(meters=CARRIERS)):
        assert Site.model_validate(place.model_dump(mode="json")) == place


def test_an_identifier_of_a_parent_is_checked() -> None:
    with pytest.raises(ValidationError):
        Meter.model_validate({"meter_id": "x", "parents": [{"parent": "Not A Name"}]})


def test_a_water_meter_counts_cubic_metres_and_never_kilowatt_hours() -> None:
    assert Meter(meter_id="water", carrier=Carrier.WATER).registers[0].unit == "m3"
    with pytest.raises(ValueError, match="never in a unit of energy"):
        Meter.model_validate({"meter_id": "water", "carrier": "water", "registers": [{"unit": "kwh"}]})
