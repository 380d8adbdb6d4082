"""Which factor an activity meets: by name, unit, time and, where given, region and supplier; none or two is refused.

An activity that several factors tile in time is divided among them by days: consumption within it is not known, so
each day of it weighs the same. Hourly or monthly activities weigh by consumption.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import NamedTuple

from assets.carbon.factor_choice.bundles import Bundle, bundles_of
from assets.carbon.factor_choice.gwp import name_key
from assets.carbon.factor_choice.match_units import ratio
from data_quality.contracts.emissions.carbon import Activity
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, Basis, Factor, GwpSet
from data_quality.contracts.units import EXACT

QUANTUM = Decimal("1e-9")


class Part(NamedTuple):
    """A share of an activity in time, and the factor that holds for it."""

    start: date
    end: date
    quantity: Decimal
    bundle: Bundle


def named(activity: Activity, factors: Sequence[Factor]) -> list[Factor]:
    """Rows of that activity whose unit fits, exactly or by a declared conversion.

    Raises BadInput where the name is in no set, or only with units that do not compare.
    """
    name = name_key(activity.activity)
    mine = [row for row in factors if name_key(row.activity) == name]
    if not mine:
        raise BadInput.at(activity, f"no factor for activity {activity.activity!r}", reason="no_factor")
    fitting = [row for row in mine if ratio(activity.unit, row.unit) is not None]
    if not fitting:
        units = ", ".join(sorted({row.unit for row in mine}))
        raise BadInput.at(
            activity,
            f"activity {activity.activity!r} is in {activity.unit}, its factors are per {units}; units must match, "
            "gross and net calorific value included",
            reason="wrong_unit",
        )
    return fitting


def applicable(activity: Activity, rows: Sequence[Factor], *, any_region: bool = False) -> list[Factor]:
    """Of those rows, the ones whose region and supplier do not contradict and that hold some day of the activity.

    A row in the activity's very unit stands before one of the same basis and days that a conversion reaches.
    """
    found = [
        row
        for row in rows
        if (any_region or _agrees(activity.region, row.region))
        and _fits_supplier(activity.supplier, row)
        and row.valid_from < activity.end
        and activity.start < row.valid_to
    ]
    return [row for row in found if not _is_stated_better(activity, row, found)]


def chosen_gwp(activity: Activity, rows: Sequence[Factor], gwp: GwpSet | None) -> list[Factor]:
    """The rows of the GWP set that the account is in, and those that name none. Raises BadInput for a mix."""
    sets = sorted({row.gwp_set for row in rows if row.gwp_set is not None})
    if gwp is None:
        if len(sets) > 1:
            raise BadInput.at(
                activity,
                f"factors for {activity.activity!r} are in the GWP sets {', '.join(sets)}; one account has one",
                reason="mixed_gwp",
                mend="name one with --gwp",
            )
        return list(rows)
    kept = [row for row in rows if row.gwp_set in (None, gwp)]
    # The same gases in another set are the same factor said again; other gases would be lost with them.
    lost = {row.gas.casefold() for row in rows if row not in kept} - {row.gas.casefold() for row in kept}
    if lost:
        raise BadInput.at(
            activity,
            f"factors for {activity.activity!r} are in {', '.join(sets)}, the account in {gwp}: "
            "GWP sets may not be mixed",
            reason="mixed_gwp",
        )
    return kept


def tile(activity: Activity, rows: Sequence[Factor], gwp: GwpSet | None, *, what: str = "") -> tuple[Part, ...]:
    """The activity divided by the factors of `rows`, in time. Raises BadInput for none, a gap, or two on one day."""
    # Bundles are tiled, not rows: gases of one factor hold on the same days without being two factors.
    bundles = sorted(bundles_of(rows, gwp), key=lambda each: each.valid_from)
    for number, first in enumerate(bundles):
        for second in bundles[number + 1 :]:
            since = max(first.valid_from, second.valid_from, activity.start)
            if since < min(first.valid_to, second.valid_to, activity.end):
                raise BadInput.at(
                    activity,
                    f"two {what}factors for activity {activity.activity!r} on {since}: {first.head.where} and "
                    f"{second.head.where}; name a region or supplier, or keep one",
                    reason="two_factors",
                )
    spans, at = [], activity.start
    for bundle in bundles:
        start, end = max(bundle.valid_from, activity.start), min(bundle.valid_to, activity.end)
        if start > at:
            raise _missing(activity, at, start, what)
        spans.append((start, end, bundle))
        at = end
    if at < activity.end:
        raise _missing(activity, at, activity.end, what)
    amounts = shares(activity.quantity, [(end - start).days for start, end, _ in spans])
    return tuple(Part(start, end, amount, bundle) for (start, end, bundle), amount in zip(spans, amounts, strict=True))


def shares(quantity: Decimal, days: Sequence[int]) -> list[Decimal]:
    """The quantity by days, in quanta of 1e-9 but for what is left over; the shares sum to it exactly."""
    total, done, before = sum(days), 0, Decimal(0)
    found = []
    with localcontext(EXACT):
        for each in days:
            done += each
            # The running amount is cut, not each share: what one cut leaves the next takes.
            upto = quantity if done == total else (quantity * done / total).quantize(QUANTUM)
            found.append(upto - before)
            before = upto
    return found


def refuse_overlaps(factors: Sequence[Factor]) -> None:
    """Two factors of one key on one day are refused although no activity meets them. Raises BadInput naming both."""
    held: dict[tuple[object, ...], Factor] = {}
    ordered = sorted(factors, key=lambda row: (row.valid_from, row.valid_to))
    for row in ordered:
        own_id = row.factor_id if row.basis in HELD else ""
        key = (
            row.scope, row.activity.casefold(), row.unit.casefold(), row.region.casefold(), row.supplier.casefold(),
            row.basis, row.gas.casefold(), row.gwp_set, own_id,
        )  # fmt: skip
        # The latest row alone: in this order one that reaches over it has been refused already.
        before = held.get(key)
        if before is not None and row.valid_from < before.valid_to:
            raise BadInput.at(
                row,
                f"factor {row.factor_id!r} for {row.activity!r} overlaps {before.factor_id!r} ({before.where}): both "
                f"hold on {row.valid_from}",
                reason="factor_overlap",
            )
        held[key] = row


def _missing(activity: Activity, start: date, end: date, what: str) -> BadInput:
    days = (activity.end - activity.start).days
    last = end - timedelta(days=1)
    when = f"on {start}" if start == last else f"from {start} to {last}"
    place = f" in region {activity.region!r}" if activity.region else ""
    return BadInput.at(
        activity,
        f"no {what}factor for activity {activity.activity!r}{place} {when} ({(end - start).days} of its {days} days)",
        reason="no_factor",
    )


def _is_stated_better(activity: Activity, row: Factor, rows: Sequence[Factor]) -> bool:
    """One factor in several units: the activity's very unit is the best; within one table, then the next in size."""
    size = _distance(activity, row)
    return size > 1 and any(
        (nearer == 1 or (other.file, other.sha256) == (row.file, row.sha256))
        and (other.basis, other.region, other.supplier, other.gas) == (row.basis, row.region, row.supplier, row.gas)
        and (other.valid_from, other.valid_to) == (row.valid_from, row.valid_to)
        for other in rows
        if (nearer := _distance(activity, other)) < size
    )


def _distance(activity: Activity, row: Factor) -> Fraction:
    """Ratio of the units' sizes: 1 is the same."""
    by = ratio(activity.unit, row.unit)
    assert by is not None  # noqa: S101
    return max(by, 1 / by)


def _fits_supplier(supplier: str, row: Factor) -> bool:
    # A rate or contract of a named supplier is for its customers; elsewhere a supplier only tells rows apart.
    is_shared = row.basis in (Basis.LOCATION, Basis.RESIDUAL)
    return _agrees(supplier, row.supplier) if is_shared else not row.supplier or _same(supplier, row.supplier)


def _agrees(wanted: str, given: str) -> bool:
    return not wanted or not given or _same(wanted, given)


def _same(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()
