"""Accuracy classes of meters and tiers of emission factors: how far each may be off, by the standard that says so.

Unknown, never a default, where it is not here. What each row was compared with, or was not: docs/ems/uncertainty.md.
"""

from collections.abc import Mapping
from typing import NamedTuple

from data_quality.contracts.model import StatedUncertainty


class AccuracyLimit(NamedTuple):
    """Largest error that a class allows, percent of what is measured, and the standard with its conditions."""

    percent: float
    source: str


_MID_E = "MID 2014/32/EU annex V (MI-003) table 2, EN 50470-3: Itr to Imax, 5 to 30 °C"
_MID_G = "MID 2014/32/EU annex IV (MI-002), EN 1359, EN 12480: Qt to Qmax"
_ISO_W = "ISO 4064-1, OIML R 49-1: Q2 to Q4, water to 30 °C"
# E = Ef + Et + Ec, at q = qp and ten times the least temperature difference: Ef 1.01, 2.02, 3.05, Et 0.8, Ec 0.6.
_MID_H = "MID 2014/32/EU annex VI (MI-004), EN 1434-1: at qp, temperature difference ten times the least"
_IEC_21 = "IEC 62053-21:2020, at reference conditions"
_IEC_22 = "IEC 62053-22:2020, at reference conditions"
_HEAT = {"1": AccuracyLimit(2.41, _MID_H), "2": AccuracyLimit(3.42, _MID_H), "3": AccuracyLimit(4.45, _MID_H)}
# Carrier -> class as it is printed on the meter -> its limit.
CLASSES: Mapping[str, Mapping[str, AccuracyLimit]] = {
    "electricity": {
        "A": AccuracyLimit(3.5, _MID_E), "B": AccuracyLimit(2.0, _MID_E), "C": AccuracyLimit(0.7, _MID_E),
        "0.5": AccuracyLimit(0.5, _IEC_21), "1": AccuracyLimit(1.0, _IEC_21), "2": AccuracyLimit(2.0, _IEC_21),
        "0.1S": AccuracyLimit(0.1, _IEC_22), "0.2S": AccuracyLimit(0.2, _IEC_22), "0.5S": AccuracyLimit(0.5, _IEC_22),
    },
    "natural_gas": {"1.0": AccuracyLimit(1.0, _MID_G), "1.5": AccuracyLimit(1.5, _MID_G)},
    "heat": _HEAT,
    "cooling": _HEAT,
    "water": {"1": AccuracyLimit(1.0, _ISO_W), "2": AccuracyLimit(2.0, _ISO_W)},
}  # fmt: skip

# Half of 54 300 to 58 300 kg CO2/TJ over 56 100: of CO2 alone, without methane and nitrous oxide.
_IPCC = "IPCC 2006 Guidelines, volume 2, table 2.2: 95 % interval of the default factor"
# Carrier and tier -> half of the 95 % interval, percent of the factor. Grid electricity and heat have no such table.
TIERS: Mapping[tuple[str, int], AccuracyLimit] = {("natural_gas", 1): AccuracyLimit(3.57, _IPCC)}


def limit_of(carrier: str, accuracy_class: str) -> AccuracyLimit:
    """The limit of a class of meters of the carrier. Raises ValueError that names the classes that there are."""
    known = CLASSES.get(carrier, {})
    if accuracy_class not in known:
        raise ValueError(
            f"accuracy_class: expected one of {', '.join(known)} for {carrier}, got {accuracy_class!r}"
            if known
            else f"accuracy_class: no classes of {carrier} meters are known; leave it out"
        )
    return known[accuracy_class]


def factor_limit(carrier: str, given: StatedUncertainty) -> AccuracyLimit | None:
    """Half of a factor's 95 % interval: as stated, else that of its tier; None where neither is known."""
    if given.uncertainty_percent is not None:
        return AccuracyLimit(given.uncertainty_percent, given.uncertainty_source)
    return None if given.tier is None else TIERS.get((carrier, given.tier))
