"""Country and currency of a time zone: what a site's draft may take for granted, and a person can correct."""

import zoneinfo
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

# ISO 4217 by ISO 3166, where the files of our users come from; the euro area as of 2026.
_COUNTRIES = {
    "EUR": "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MT NL PT SI SK",
    "GBP": "GB",
    "CHF": "CH LI",
    "DKK": "DK",
    "SEK": "SE",
    "NOK": "NO",
    "ISK": "IS",
    "PLN": "PL",
    "CZK": "CZ",
    "HUF": "HU",
    "RON": "RO",
    "USD": "US",
    "CAD": "CA",
    "AUD": "AU",
    "NZD": "NZ",
}
_CURRENCIES = {country: currency for currency, countries in _COUNTRIES.items() for country in countries.split()}


def country_of(time_zone: str) -> str:
    """The country of a zone that belongs to one (tzdata's zone.tab); empty for others."""
    for line in _zone_table():
        # country, coordinates, zone, remark
        fields = line.split("\t")
        if len(fields) > 2 and fields[2] == time_zone and not line.startswith("#"):
            return fields[0]
    return ""


def currency_of(country: str) -> str:
    """The currency of a country; empty for one that is not listed."""
    return _CURRENCIES.get(country, "")


def _zone_table() -> Iterator[str]:
    tables = [Path(folder) / "zone.tab" for folder in zoneinfo.TZPATH]
    found = next((path for path in tables if path.is_file()), None)
    if found is None:
        # Where the system has none, the package of the same data does.
        yield from files("tzdata").joinpath("zoneinfo/zone.tab").read_text(encoding="utf-8").splitlines()
        return
    yield from found.read_text(encoding="utf-8").splitlines()
