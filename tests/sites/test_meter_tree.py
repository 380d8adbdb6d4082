"""Totals count energy once; an SEU names its meters."""

from assets.sites.meter_tree import total_meters
from data_quality.contracts.site_file.meter import Carrier, Meter
from tests.sites.test_calendar import site

METERS = (
    Meter(meter_id="main"),
    Meter(meter_id="press", parent="main"),
    Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS),
    Meter(meter_id="chp", parent="gas"),
    Meter(meter_id="boiler", carrier=Carrier.NATURAL_GAS, parent="gas"),
)


def test_a_submeter_is_not_added_to_the_total_of_its_parent() -> None:
    place = site(meters=METERS)
    assert total_meters(place, Carrier.NATURAL_GAS) == ("gas",)


def test_a_meter_below_another_carrier_counts_towards_its_own() -> None:
    assert total_meters(site(meters=METERS), Carrier.ELECTRICITY) == ("main", "chp")
    assert total_meters(site(meters=METERS), Carrier.WATER) == ()
