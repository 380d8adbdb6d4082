"""Differences between two views of one footprint, line by line, with the reason: a factor, a reading, or both.

delta = new - old is divided exactly: by_reading is (new kWh - old kWh) at the old factors; by_factor is the rest, the
new kWh at the new factors less the same kWh at the old ones.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, localcontext
from types import MappingProxyType

from data_quality.contracts.emissions.footprint import Footprint, FootprintLine, Method, RestatedLine, Restatement
from data_quality.contracts.errors import OurFault
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.units import EXACT

_Key = tuple[date, Carrier, Method]


def restate(
    old: Footprint,
    new: Footprint,
    *,
    from_utc: datetime,
    to_utc: datetime,
    withdrawn: Mapping[str, str] = MappingProxyType({}),
) -> Restatement:
    """Every month, carrier and method whose figure, energy or factor differs. Raises OurFault for two other scopes.

    withdrawn: why factors that were withdrawn between the two times were, by factor_id.
    """
    if (old.site_id, old.start, old.end) != (new.site_id, new.start, new.end):
        raise OurFault("two views to compare must be of one site and period")
    before, after = _cells(old), _cells(new)
    with localcontext(EXACT):
        lines = [_compare(key, before.get(key, []), after.get(key, []), withdrawn) for key in sorted({*before, *after})]
    return Restatement(
        site_id=new.site_id,
        period=new.period,
        from_utc=from_utc,
        to_utc=to_utc,
        old=old,
        new=new,
        lines=tuple(line for line in lines if line.causes),
    )


def _cells(footprint: Footprint) -> dict[_Key, list[FootprintLine]]:
    found: defaultdict[_Key, list[FootprintLine]] = defaultdict(list)
    for line in footprint.lines:
        found[line.month, line.carrier, line.method].append(line)
    return found


def _compare(
    key: _Key, old: list[FootprintLine], new: list[FootprintLine], withdrawn: Mapping[str, str]
) -> RestatedLine:
    old_kg, new_kg = _sum(old, "kgco2e"), _sum(new, "kgco2e")
    old_kwh, new_kwh = _sum(old, "kwh"), _sum(new, "kwh")
    by_reading = by_factor = delta = None
    if old_kg is not None and new_kg is not None:
        delta = new_kg - old_kg
        # Without energy before there is no old factor to weigh the new reading by: the change stays whole.
        if old_kwh and new_kwh is not None:
            by_reading = old_kg * (new_kwh - old_kwh) / old_kwh
            by_factor = delta - by_reading
    return RestatedLine(
        month=key[0],
        carrier=key[1],
        method=key[2],
        old_kgco2e=old_kg,
        new_kgco2e=new_kg,
        delta_kgco2e=delta,
        by_factor_kgco2e=by_factor,
        by_reading_kgco2e=by_reading,
        old_kwh=old_kwh,
        new_kwh=new_kwh,
        old_factor_ids=_ids(old),
        new_factor_ids=_ids(new),
        causes=(*_causes(old, new, old_kwh, new_kwh), *_withdrawn(old, new, withdrawn)),
    )


def _causes(
    old: list[FootprintLine], new: list[FootprintLine], old_kwh: Decimal | None, new_kwh: Decimal | None
) -> list[str]:
    found = []
    if old_kwh != new_kwh:
        found.append(f"reading: {_number(old_kwh)} kWh became {_number(new_kwh)} kWh")
    before, after = _factors(old), _factors(new)
    # By id and value: a factor that is republished under its name has changed too.
    gone = [each for each in before if each not in after]
    come = [each for each in after if each not in before]
    if gone or come:
        found.append(f"factor: {_words(gone)} became {_words(come)}")
    elif not found:
        found += [
            f"factor: {name} covers {_number(after_kwh)} kWh, before {_number(before_kwh)}"
            for name, before_kwh, after_kwh in _shifted(old, new)
        ]
    return found


def _withdrawn(old: list[FootprintLine], new: list[FootprintLine], reasons: Mapping[str, str]) -> list[str]:
    # Withdrawn factors that covered nothing changed nothing.
    gone = [name for name, _, _ in _shifted(old, new) if name in reasons]
    return [f"withdrawn: {name}: {reasons[name]}" for name in gone]


def _shifted(old: list[FootprintLine], new: list[FootprintLine]) -> list[tuple[str, Decimal | None, Decimal | None]]:
    """Factors that cover another amount of energy than before: id, kWh before and now."""
    before, after = _covered(old), _covered(new)
    names = sorted({*before, *after})
    return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]


def _covered(lines: list[FootprintLine]) -> dict[str, Decimal]:
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line.factor_id and line.kwh is not None:
            found[line.factor_id] += line.kwh
    return dict(found)


def _factors(lines: list[FootprintLine]) -> list[tuple[str, Decimal]]:
    return sorted(
        {(line.factor_id, line.kgco2e_per_kwh) for line in lines if line.factor_id and line.kgco2e_per_kwh is not None}
    )


def _words(factors: list[tuple[str, Decimal]]) -> str:
    return ", ".join(f"{name} ({value.normalize():f} kg/kWh)" for name, value in factors) or "none"


def _number(value: Decimal | None) -> str:
    return "no" if value is None else f"{value.normalize():f}"


def _ids(lines: list[FootprintLine]) -> tuple[str, ...]:
    return tuple(sorted({line.factor_id for line in lines if line.factor_id}))


def _sum(lines: list[FootprintLine], name: str) -> Decimal | None:
    values = [getattr(line, name) for line in lines]
    return None if not values or any(value is None for value in values) else sum(values, Decimal(0))
