"""Meaning of documents of weather services: whose hour a value is, in which unit, since when it was known."""

from datetime import timedelta
from typing import Any

import pytest

from assets.feeds.bright_sky import read_bright_sky
from assets.feeds.open_meteo import NAMES, REQUESTED, query, read_open_meteo
from assets.feeds.weather_values import LIMITS
from data_quality.contracts.control.weather_issue import WEATHER_LABELS, WEATHER_UNITS
from data_quality.contracts.errors import BadInput
from tests.feeds.documents import FIRST, HOUR, NOW, bright_sky, content, open_meteo


def test_sun_and_rain_of_the_preceding_hour_move_to_the_hour_in_which_they_fell() -> None:
    (issue,) = read_open_meteo(content(open_meteo(4)), fetched_at_utc=NOW)
    assert issue.start_utc == FIRST
    assert issue.values["ghi_w_per_m2"] == (10.0, 20.0, 30.0, None)
    assert issue.values["precipitation_mm"] == (0.1, 0.2, 0.3, None)
    assert issue.values["temperature_degc"] == (0.0, 0.1, 0.2, 0.3)


def test_a_wind_in_kilometres_an_hour_is_told_in_metres_a_second() -> None:
    (issue,) = read_open_meteo(content(open_meteo(2)), fetched_at_utc=NOW)
    assert issue.values["wind_speed_m_per_s"] == (10.0, 10.0)


@pytest.mark.parametrize(("unit", "message", "degc"), [("°F", 50.0, 10.0), ("°C", 10.0, 10.0)])
def test_a_temperature_is_read_in_the_unit_that_the_document_names(unit: str, message: float, degc: float) -> None:
    document = open_meteo(1)
    document["hourly_units"]["temperature_2m"], document["hourly"]["temperature_2m"] = unit, [message]
    assert read_open_meteo(content(document), fetched_at_utc=NOW)[0].values["temperature_degc"] == (degc,)


def test_an_issue_that_nobody_names_is_the_fetch_and_says_so() -> None:
    for read, document in ((read_open_meteo, open_meteo(4)), (read_bright_sky, bright_sky(0, 4))):
        (fetched,) = read(content(document), fetched_at_utc=NOW)
        assert (fetched.issued_at_utc, fetched.available_at_utc, fetched.labels) == (NOW, NOW, ("issued_as_fetched",))
        (named,) = read(content(document), fetched_at_utc=NOW, issued_at_utc=FIRST)
        assert (named.issued_at_utc, named.labels) == (FIRST, ("available_as_issued",))
        assert {*fetched.labels, *named.labels} <= set(WEATHER_LABELS)


def test_local_times_lie_at_the_documents_own_offset() -> None:
    (issue,) = read_open_meteo(content(open_meteo(4, offset_s=7200)), fetched_at_utc=NOW)
    assert issue.start_utc == FIRST


def test_unix_times_are_instants_whatever_the_offset() -> None:
    document = open_meteo(3, offset_s=7200)
    document["hourly"]["time"] = [int((FIRST + n * HOUR).timestamp()) for n in range(3)]
    assert read_open_meteo(content(document), fetched_at_utc=NOW)[0].start_utc == FIRST


def test_quarter_hours_are_read_where_there_are_no_hours() -> None:
    document = open_meteo(1)
    document["minutely_15"] = {"time": ["2025-06-01T00:00", "2025-06-01T00:15"], "temperature_2m": [1.0, 2.0]}
    document["minutely_15_units"] = document["hourly_units"]
    del document["hourly"]
    assert read_open_meteo(content(document), fetched_at_utc=NOW)[0].step_minutes == 15


def test_earlier_runs_are_issues_of_a_day_known_once_their_last_hour_was_told() -> None:
    document = open_meteo(48)
    block, units = document["hourly"], document["hourly_units"]
    for name in ("temperature_2m", "shortwave_radiation"):
        block[f"{name}_previous_day1"], units[f"{name}_previous_day1"] = block.pop(name), units[name]
    issues = read_open_meteo(content(document), fetched_at_utc=NOW)
    earlier = [each for each in issues if each.labels == ("previous_run",)]
    assert [(each.start_utc, each.available_at_utc) for each in earlier] == [
        (FIRST, FIRST),
        (FIRST + 24 * HOUR, FIRST + 24 * HOUR),
    ]
    # The sun of a day's last hour is told at its end, 24 hours before that.
    assert earlier[0].values["ghi_w_per_m2"][23] == 240.0
    assert all(each.available_at_utc >= each.end_utc - timedelta(days=1) for each in earlier)


def test_only_forecasts_are_forecasts_and_measured_hours_are_measured() -> None:
    forecast, measured = read_bright_sky(content(bright_sky(6, 24)), fetched_at_utc=NOW)
    assert forecast.source == "bright_sky"
    assert measured.source == "bright_sky_measured"
    assert "measured" in measured.labels
    assert measured.values["temperature_degc"][-1] == 15.0
    degc = forecast.values["temperature_degc"]
    # Its sun begins an hour earlier than its temperature: that hour's end is the first forecast time.
    assert (forecast.start_utc, degc[:2]) == (FIRST + 5 * HOUR, (None, 16.0))


def test_a_value_filled_from_a_forecast_is_none_of_a_measured_hour() -> None:
    document = bright_sky(24, 24)
    document["weather"][3]["fallback_source_ids"] = {"temperature": 2}
    forecast, measured = read_bright_sky(content(document), fetched_at_utc=NOW)
    assert forecast.values == {"temperature_degc": (13.0,)}
    assert measured.values["temperature_degc"][3:6] == (12.0, None, 14.0)


def test_sun_wind_and_rain_of_bright_sky_are_of_the_hour_before() -> None:
    (issue,) = read_bright_sky(content(bright_sky(0, 4)), fetched_at_utc=NOW)
    # 0.01 kWh/m2 in an hour is a mean of 10 W/m2.
    assert issue.start_utc == FIRST - HOUR
    assert issue.values["ghi_w_per_m2"] == (0.0, 10.0, 20.0, 30.0, None)
    assert issue.values["wind_speed_m_per_s"] == (5.0, 5.0, 5.0, 5.0, None)
    assert issue.values["temperature_degc"] == (None, 10.0, 11.0, 12.0, 13.0)


def without(document: dict[str, Any], *path: str) -> dict[str, Any]:
    node = document
    for name in path[:-1]:
        node = node[name]
    del node[path[-1]]
    return document


def with_value(document: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    document["hourly"][name] = value
    return document


WRONG_OPEN_METEO = {
    "nothing": ({}, "expected an Open-Meteo forecast"),
    "a list": ([1], "a JSON list; expected an Open-Meteo forecast"),
    "a refusal": ({"error": True, "reason": "Latitude must be in range"}, "refuses: Latitude must be in range"),
    "no times": (without(open_meteo(3), "hourly", "time"), "expected an Open-Meteo forecast"),
    "no unit": (without(open_meteo(3), "hourly_units", "temperature_2m"), "temperature_2m is in ''; expected °c or"),
    "no known name": (open_meteo(2, hourly={"time": ["2025-06-01T00:00"], "weather_code": [1]}), "none of"),
    "too short": (with_value(open_meteo(3), "temperature_2m", [1.0]), "1 values for 3 times"),
    "a text": (with_value(open_meteo(2), "temperature_2m", ["warm", 1]), "element 1: expected a number or null"),
    "kelvin": (with_value(open_meteo(2), "temperature_2m", [285.3, 1]), "285.3 °C is no weather; expected -90 to 60"),
    "a gap": (with_value(open_meteo(2), "time", ["2025-06-01T00:00", "2025-06-01T02:00"]), "one every 60 minutes"),
    "a year of words": (with_value(open_meteo(2), "time", ["today", "later"]), "times cannot be read"),
    "an offset of words": (open_meteo(2, utc_offset_seconds="two hours"), "utc_offset_seconds: expected whole seconds"),
}
RECORD = {"timestamp": "2025-06-01T00:00:00+00:00", "source_id": 2, "temperature": 10.0}
WRONG_BRIGHT_SKY = {
    "nothing": ({}, "expected a Bright Sky answer"),
    "records of words": ({"weather": ["warm"], "sources": []}, "expected a Bright Sky answer"),
    "no hour": ({"weather": [], "sources": []}, "it holds no hour of weather"),
    "no source": ({"weather": [RECORD], "sources": []}, "source 2 is not among the document's sources"),
    "no zone": ({"weather": [RECORD | {"timestamp": "2025-06-01T00:00"}], "sources": []}, "no offset from UTC"),
    "half an hour": ({"weather": [RECORD | {"timestamp": "2025-06-01T00:30Z"}], "sources": []}, "whole hours"),
    "units=si": (bright_sky(0, 1) | {"weather": [RECORD | {"temperature": 285.3}]}, "285.3 °C is no weather"),
    "a century": (
        bright_sky() | {"weather": [RECORD, RECORD | {"timestamp": "2125-06-01T00:00Z"}]},
        "expected at most 9600",
    ),
}


@pytest.mark.parametrize("name", WRONG_OPEN_METEO)
def test_a_wrong_open_meteo_document_is_one_sentence(name: str) -> None:
    document, words = WRONG_OPEN_METEO[name]
    with pytest.raises(BadInput) as found:
        read_open_meteo(content(document), fetched_at_utc=NOW, file="a.json")
    assert words in str(found.value)
    assert str(found.value).startswith("a.json: ")


@pytest.mark.parametrize("name", WRONG_BRIGHT_SKY)
def test_a_wrong_bright_sky_document_is_one_sentence(name: str) -> None:
    document, words = WRONG_BRIGHT_SKY[name]
    with pytest.raises(BadInput) as found:
        read_bright_sky(content(document), fetched_at_utc=NOW, file="a.json")
    assert words in str(found.value)


@pytest.mark.parametrize("text", [b"", b"<html>", b'{"hourly": {"time": [', b'{"a": NaN}', b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_json_is_one_sentence(text: bytes) -> None:
    for read in (read_open_meteo, read_bright_sky):
        with pytest.raises(BadInput, match="expected"):
            read(text, fetched_at_utc=NOW)


def test_every_name_is_one_of_the_contract_and_asked_for_once() -> None:
    assert set(NAMES.values()) == set(WEATHER_UNITS) == set(LIMITS)
    assert sorted(NAMES[name] for name in REQUESTED) == sorted(WEATHER_UNITS)
    assert "dew_point_2m" in query(52.52, 13.41)["hourly"].split(",")
