"""Base load: what a site uses beside its storage, heating and cars, by the corrected identity of formulas 5.18.

base = import + PV generation - export + discharge - charge - heating - car charging
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assets.sites.generation import generation
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site
from ml.features.series import Series, Stream

# Kinds of asset whose use is heating, or a car; what they are called in a sentence.
_USES = {"heating_relay": "heating", "heat_pump": "heating", "tank": "heating", "ev_charger": "car charging"}
# What a battery's meter may call the two ways, the likeliest first.
_DISCHARGED, _CHARGED = ("discharge", "export"), ("charge", "import")


@dataclass(frozen=True)
class Part:
    """One term: the stream, what it is, and whether it adds to the base load (+1) or is taken out (-1)."""

    stream: Stream
    what: str
    sign: int


@dataclass(frozen=True)
class BaseLoadParts:
    """The terms of a site's base load."""

    parts: tuple[Part, ...]


def base_load_parts(site: Site) -> BaseLoadParts | Finding:
    """Where each term of the identity is metered; a finding where a device of the site has no meter that tells it."""
    connections = [one for one in site.meters if _is_connection(one)]
    if not any(_register(one, ("import",)) for one in connections):
        return _finding("no meter at the grid connection with a register import")
    found = [Part(Stream(one.meter_id, "import"), "import", 1) for one in connections if _register(one, ("import",))]
    exported = [
        Part(Stream(one.meter_id, "export"), "export", -1) for one in connections if _register(one, ("export",))
    ]
    # Where the generation is declared, the meters of inverters need not be.
    metered = {*_USES, "battery"} | (set() if site.premises.generation else {"pv"})
    missing = [
        f"{asset.kind} {asset.asset_id!r} has no meter"
        for asset in site.assets
        if asset.kind in metered and asset.meter is None
    ]
    generated = [Part(Stream(meter_id, register), "generation", 1) for meter_id, register in generation(site)]
    devices = [*generated, *_stored(site, missing), *_used(site, missing)]
    if missing:
        return _finding("; ".join(missing))
    # A grid meter without a register of export: none is taken as fed in.
    return BaseLoadParts((*found, *exported, *devices))


def base_load_series(parts: Sequence[Part], series: Sequence[Series]) -> Series | Finding:
    """Their sum by steps, in kWh; a step without a reading of every part is a gap, never zero.

    series: one a part, all of one step and one end. A finding where a part has no reading at all.
    """
    silent = [part for part, one in zip(parts, series, strict=True) if np.isnan(one.values).all()]
    if silent:
        named = ", ".join(f"{part.what} ({part.stream.target})" for part in silent)
        return _finding(f"no readings of {named}")
    first = series[0]
    # From the first reading of the part that began last: before it the sum is not known.
    start_utc = max(one.start_utc for one in series)
    total = sum(part.sign * one.values[one.index(start_utc) :] for part, one in zip(parts, series, strict=True))
    is_synthetic = any(one.is_synthetic for one in series)
    return Series(start_utc, np.asarray(total, dtype=np.float64), first.step, "kwh", is_synthetic)


def _is_connection(meter: Meter) -> bool:
    is_bought = meter.carrier is Carrier.ELECTRICITY and not meter.is_made_on_site
    return is_bought and not meter.is_virtual and meter.parent_on() is None


def _stored(site: Site, missing: list[str]) -> Iterator[Part]:
    for meter in _meters(site, {"battery"}):
        out, into = _register(meter, _DISCHARGED), _register(meter, _CHARGED)
        if out is None or into is None:
            missing.append(f"meter {meter.meter_id!r} of a battery needs registers charge and discharge")
            continue
        yield Part(Stream(meter.meter_id, out), "discharge", 1)
        yield Part(Stream(meter.meter_id, into), "charge", -1)


def _used(site: Site, missing: list[str]) -> Iterator[Part]:
    meters = _meters(site, set(_USES))
    taken = {meter.meter_id for meter in meters}
    names = {asset.meter: _USES[asset.kind] for asset in site.assets if asset.kind in _USES}
    for meter in meters:
        # What hangs below another one is in its reading already.
        if taken & set(site.above(meter.meter_id)):
            continue
        register = _register(meter, ("import", "value"))
        if register is None:
            missing.append(f"meter {meter.meter_id!r} of {names[meter.meter_id]} needs a register import")
            continue
        yield Part(Stream(meter.meter_id, register), names[meter.meter_id], -1)


def _meters(site: Site, kinds: set[str]) -> list[Meter]:
    # Sixteen relays behind one meter are counted once.
    named = dict.fromkeys(asset.meter for asset in site.assets if asset.kind in kinds and asset.meter)
    return [meter for name in named if (meter := site.meter(name)) is not None]


def _register(meter: Meter, wanted: Sequence[str]) -> str | None:
    held = {register.register_id for register in meter.registers}
    return next((name for name in wanted if name in held), None)


def _finding(what: str) -> Finding:
    return Finding(
        code="base_load_part_missing",
        message=f"The base load cannot be computed from the meters: {what}.",
        severity="blocking",
        scope="base_load",
    )
