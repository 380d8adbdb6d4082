"""Foreign names and the streams of a site: which meter or driver a column or a cell means, and how sure that is."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from assets.readings.streams import canonical_of, default_registers
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import UNITS, Behaviour

_BRACKETS = re.compile(r"[\[(][^\])]*[\])]")
_TOKEN = re.compile(r"[a-z]+|\d+")
# Digits that nobody counts by: a meter's number, a metering point.
_LONG_NUMBER = 5
_FOLDED = str.maketrans({"ä": "a", "ö": "o", "ü": "u", "ß": "s", "é": "e", "è": "e", "ê": "e", "à": "a", "ç": "c"})


@dataclass(frozen=True)
class Match:
    """stream: meter, meter.register or driver; sure: 0..1; why: in words. Below SURE it is a question."""

    stream: str
    sure: float
    why: str


SURE = 0.85
# (ID 1), [Nr. 2], (3): which of several, and no unit.
_NUMBER_IN_BRACKETS = re.compile(
    r"[\[(]\s*((?:(?:id|nr|no|meter|zähler|phase|unit|[lp])\b[\s.]*|#)?\d{1,3}|[lp]\d)\s*[\])]", re.IGNORECASE
)


def folded(name: str) -> str:
    """A name without its unit, accents and case, its marks kept but for _: Außen-Temp. [°C] is ausen-temp."""
    plain = _BRACKETS.sub(" ", name.lower().replace("_", " ")).translate(_FOLDED)
    for double, single in (("ae", "a"), ("oe", "o"), ("ue", "u"), ("ss", "s")):
        plain = plain.replace(double, single)
    return plain


def tokens(name: str) -> list[str]:
    """The words and numbers of a name, without its unit, accents and case: Zähler 1 [kWh] is zahler and 1."""
    # 01 and 1 are one number.
    return [word.lstrip("0") or "0" for word in _TOKEN.findall(folded(name))]


def _words(text: str) -> frozenset[str]:
    return frozenset(tokens(text))


# What names of any meter have, in the languages of the files: it tells none from another.
_COMMON = _words(
    """zahler zaehler meter zahlpunkt messstelle messpunkt kanal channel nr no number nummer verbrauch consumption
    usage export data daten messdaten messwerte download report werte profil profile csv energy energie strom
    electricity electric elektro power leistung last load lastgang wirkarbeit wirkleistung arbeit verbruik wert
    value reading bezug import in active total summe the of der die das kw kwh mwh wh compteur consommation
    puissance contatore consumo potenza medidor contador energia"""
)
_EXPORT = _words("einspeisung ruckspeisung rucklieferung export exported feed injection lieferung abgabe")
_MAIN = _words("main haupt hauptzahler netz netzbezug netzanschluss grid gesamt total site standort mains")


def is_common(name: str) -> bool:
    """The name has nothing but words that any meter's has."""
    return all(word in _COMMON for word in tokens(name))


def is_main(name: str) -> bool:
    """The name is one that people give to the meter of a whole site."""
    return bool(_MAIN & set(tokens(name)))


def match(name: str, site: Site, unit: str | None, *, taken: Iterable[str] = ()) -> Match | None:
    """The stream of the site that a foreign name means; None where no name is near. unit: of its values, if known."""
    meters = [meter for meter in site.meters if not meter.is_virtual and _is_kind(meter, unit)]
    words = tokens(name)
    driver = _driver(words, site, unit)
    if driver is not None:
        return driver
    is_export = bool(_EXPORT & set(words))
    words = [word for word in words if word not in _EXPORT]
    found = _best(words, [meter for meter in meters if meter.meter_id not in taken] or meters)
    if found is None and len(meters) == 1 and not [word for word in words if word not in _COMMON]:
        found = Match(meters[0].meter_id, 0.95, "the only meter of the site that counts this")
    if found is None:
        return None
    register = "export" if is_export else _register(found.stream, site, unit)
    known = {each.register_id for meter in meters if meter.meter_id == found.stream for each in meter.registers}
    if register is None:
        return found
    return Match(f"{found.stream}.{register}", found.sure, found.why) if register in known else None


def _register(meter_id: str, site: Site, unit: str | None) -> str | None:
    """The register that must be named since the meter's own counts something else."""
    meter = next(each for each in site.meters if each.meter_id == meter_id)
    own = default_registers(site)[meter_id]
    units = {each.register_id: canonical_of(each.unit) for each in meter.registers}
    kind = canonical_of(unit)
    return None if kind is None or units[own] == kind else meter.register_in(kind)


def only_meter(site: Site, unit: str | None) -> Match | None:
    """The site's only meter, for the only values of a file whose unit it counts."""
    meters = [meter for meter in site.meters if not meter.is_virtual]
    if unit is None or len(meters) != 1 or not _is_kind(meters[0], unit):
        return None
    return Match(meters[0].meter_id, 0.88, "the only values of the file, the only meter of the site")


def _is_kind(meter: Meter, unit: str | None) -> bool:
    """A register of the meter counts what this unit does; any, where the unit is open."""
    kind = canonical_of(unit)
    return kind is None or meter.register_in(kind) is not None


def _best(words: list[str], meters: list[Meter]) -> Match | None:
    for rule in (_by_id, _by_name, _by_number, _by_words):
        found = [match for meter in meters if (match := rule(words, meter)) is not None]
        if len(found) == 1:
            return found[0]
        if found:
            return Match(found[0].stream, 0.4, f"{len(found)} meters are called like this")
    own = [word for word in words if word not in _COMMON]
    roots = [meter for meter in meters if meter.parent is None and not meter.parents]
    if own and set(own) <= _MAIN and len(roots) == 1:
        return Match(roots[0].meter_id, 0.7, "it is called as the whole site's, and this meter has none above it")
    return _near(words, meters)


def _by_id(words: list[str], meter: Meter) -> Match | None:
    is_same = words and "".join(words) == "".join(tokens(meter.meter_id))
    return Match(meter.meter_id, 1.0, "its meter_id") if is_same else None


def _by_name(words: list[str], meter: Meter) -> Match | None:
    is_same = words and meter.name and "".join(words) == "".join(tokens(meter.name))
    return Match(meter.meter_id, 0.99, f"its name, {meter.name!r}") if is_same else None


def _by_number(words: list[str], meter: Meter) -> Match | None:
    long = {word for word in words if word.isdigit() and len(word) >= _LONG_NUMBER}
    if long and long & {word for word in [*tokens(meter.meter_id), *tokens(meter.name)] if word.isdigit()}:
        return Match(meter.meter_id, 0.97, f"its number, {max(long, key=len)}")
    return None


def _by_words(words: list[str], meter: Meter) -> Match | None:
    """Equal but for the words that any meter has; numbers are the same."""
    own = [word for word in words if word not in _COMMON]
    if not own:
        return None
    for label in (meter.meter_id, meter.name):
        theirs = [word for word in tokens(label) if word not in _COMMON]
        if theirs == own:
            is_number = all(word.isdigit() for word in own)
            return Match(meter.meter_id, 0.9, f"{'its number in' if is_number else 'the words of'} {label!r}")
    return None


def _near(words: list[str], meters: list[Meter]) -> Match | None:
    """A name that looks like it: a question, with this answer proposed."""
    own = [word for word in words if word not in _COMMON]
    if not own:
        return None
    by_label = {"".join(tokens(label)): meter for meter in meters for label in (meter.name, meter.meter_id) if label}
    close = difflib.get_close_matches("".join(words), by_label, n=1, cutoff=0.75)
    if close:
        return Match(by_label[close[0]].meter_id, 0.6, "the name nearest to it")
    parts = [m for m in meters if set(own) & {w for w in [*tokens(m.meter_id), *tokens(m.name)] if w not in _COMMON}]
    return Match(parts[0].meter_id, 0.5, "it has a word of its name") if len(parts) == 1 else None


def _driver(words: list[str], site: Site, unit: str | None) -> Match | None:
    drivers = [each for each in site.drivers if unit is None or canonical_of(each.unit) == canonical_of(unit)]
    joined = "".join(words)
    for driver in drivers:
        if joined and joined in {"".join(tokens(driver.driver_id)), "".join(tokens(driver.name))}:
            return Match(driver.driver_id, 1.0, "its driver_id or name")
    is_level = unit is not None and UNITS[unit].behaviour is Behaviour.LEVEL
    if is_level and len(drivers) == 1:
        return Match(drivers[0].driver_id, 0.9, "the only driver of this unit")
    return None


def bare(name: str) -> str:
    """A name without its unit: Zähler 1 [kWh] is Zähler 1. What a bracket numbers stays: Wallbox (ID 1)."""
    numbered = re.sub(_NUMBER_IN_BRACKETS, r" \1 ", name)
    plain = re.sub(r"\s+", " ", re.sub(r"[\[(][^\])]*[\])]", " ", numbered)).strip(" -_,;:")
    last = re.split(r"[\s_]+", plain)[-1]
    if last.lower().replace("³", "3") in UNITS or last in ("°C", "°F", "%"):
        plain = plain[: len(plain) - len(last)]
    return plain.strip(" -_,;:")
