"""Which tariff applies to an account on which dates: a person's dated override first, then the dated tariffs."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise

from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model


class TariffOverride(Model):
    """One dated row: from valid_from to valid_to (exclusive) the account is on that tariff; who says so, and why."""

    account: str
    tariff_id: str
    valid_from: date
    valid_to: date
    person_id: str
    reason: str


def tariffs_in_force(
    tariffs: Sequence[Tariff],
    *,
    start: date,
    end: date,
    codes: Sequence[str] = (),
    account: str = "",
    overrides: Sequence[TariffOverride] = (),
) -> tuple[Tariff, ...]:
    """Tariffs that cover local dates [start, end), cut to the dates on which each holds.

    overrides: in the order in which they were recorded; of two for one day the later row counts. Without one, on each
    day the tariff of the codes that is in force; where none of them is, the one that could take its place: same
    supplier, currency and energy periods, and of these the nearest name. Raises BadInput where none or two could.
    """
    mine = [row for row in overrides if row.account == account]
    edges = {start, end}
    edges |= {day for t in tariffs for day in (t.valid_from, t.valid_to) if start < day < end}
    edges |= {day for row in mine for day in (row.valid_from, row.valid_to) if start < day < end}
    found: list[Tariff] = []
    for day, last in pairwise(sorted(edges)):
        tariff = _on(day, tariffs, codes, mine)
        # Neighbouring stretches of one tariff are one: split, its fixed amounts would be rounded twice.
        goes_on = bool(found) and found[-1].tariff_id == tariff.tariff_id and found[-1].valid_to == day
        first = found.pop().valid_from if goes_on else day
        found.append(tariff.model_copy(update={"valid_from": first, "valid_to": last}))
    # Outside the bill each goes on as it is: a bill on other dates still finds its price.
    original = {tariff.tariff_id: tariff for tariff in tariffs}
    is_overridden = any(row.valid_from < end and row.valid_to > start for row in mine)
    if not is_overridden and len({t.tariff_id for t in found}) == len(found):
        return tuple(original[t.tariff_id] for t in found)
    return tuple(found)


def _on(day: date, tariffs: Sequence[Tariff], codes: Sequence[str], mine: Sequence[TariffOverride]) -> Tariff:
    # Recorded later counts more: a correction is a new row, the old one stays as it was.
    given = next((row for row in reversed(mine) if row.valid_from <= day < row.valid_to), None)
    if given is not None:
        known = next((tariff for tariff in tariffs if tariff.tariff_id == given.tariff_id), None)
        if known is None:
            raise BadInput(
                f"account {given.account} is on tariff {given.tariff_id} from {given.valid_from}, which is not given",
                reason="unknown_tariff",
            )
        return known
    in_force = [tariff for tariff in tariffs if tariff.is_in_force(day)]
    named = [tariff for tariff in in_force if is_named(tariff, codes)]
    if len(named) == 1:
        return named[0]
    # A code that is no longer in force still tells which tariffs the account may have moved to.
    candidates = named or _alike(in_force, [tariff for tariff in tariffs if is_named(tariff, codes)])
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise BadInput(f"no tariff is in force on {day}", reason="no_tariff_in_force")
    names = ", ".join(tariff.tariff_id for tariff in candidates)
    raise BadInput(
        f"on {day} the tariffs {names} are in force; which of them applies is not said", reason="tariff_overlap",
        mend="name the account's tariff in the site register or by an override",
    )  # fmt: skip


def is_named(tariff: Tariff, codes: Sequence[str]) -> bool:
    """True where one of the codes is the tariff's id or name, in any case of letters."""
    return bool({code.lower() for code in codes} & {tariff.tariff_id.lower(), tariff.name.lower()} - {""})


def _alike(in_force: Sequence[Tariff], printed: Sequence[Tariff]) -> list[Tariff]:
    """Of those in force the ones that could stand in for what the bill names."""
    if not printed:
        return list(in_force)

    def shape(tariff: Tariff) -> tuple[object, ...]:
        periods = tuple(sorted(period.period_id for charge in tariff.energy_charges for period in charge.all_periods))
        return (tariff.supplier, tariff.currency, periods)

    same = [tariff for tariff in in_force if any(shape(tariff) == shape(other) for other in printed)] or list(in_force)

    def nearness(tariff: Tariff) -> int:
        # Suppliers name successors alike: the longest common beginning is the nearest.
        return max(_common(tariff.tariff_id, other.tariff_id) for other in printed)

    best = max((nearness(tariff) for tariff in same), default=0)
    return [tariff for tariff in same if nearness(tariff) == best]


def _common(one: str, other: str) -> int:
    """Number of letters that both begin with."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
