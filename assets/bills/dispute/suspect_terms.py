"""Suspicions about terms, whatever was metered: another tariff, a change on another day, multiplier, taxes."""

import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from assets.bills.dispute.applies import is_named
from assets.bills.dispute.pairing import Pair
from assets.bills.dispute.scenario import scaled, timeless, under, with_charge, with_swapped
from assets.bills.dispute.suspicion import PAPER, SEARCH, SLIP, Case, Suspicion, energy_pairs, period_pairs, plain
from data_quality.contracts.billing.tariff_charges import Tax

# Volume units that meters of gas are mistaken in: hundreds of cubic feet and cubic metres.
_VOLUMES = (Decimal("2.83"), Decimal("2.8316846592"))
# A change of tariff is entered days late, not months.
_SLIP_DAYS = 7
_LEVY = re.compile(r"(?i)\b(levy|tax|duty|vat|gst|steuer|abgabe|accise|ccl)")


def suspect_terms(case: Case, pairs: list[Pair]) -> Iterator[Suspicion]:
    """In order of their weight within a rank."""
    yield from _multiplier(case, pairs)
    yield from _other_tariffs(case)
    yield from _change_day(case)
    yield from _prices_swapped(case)
    yield from _taxes(case, pairs)


def is_tax(pair: Pair) -> bool:
    """A tax, or a levy that the tariff writes as a rider."""
    named = bool(_LEVY.search(pair.label) or _LEVY.search(pair.line_id))
    return pair.component == "tax" or (pair.component in ("rider", "") and named)


def _multiplier(case: Case, pairs: list[Pair]) -> Iterator[Suspicion]:
    printed, true = case.bill.multiplier, case.multiplier
    if printed is not None and printed != true:
        yield Suspicion(
            "meter_multiplier", PAPER,
            f"the bill applies the multiplier {plain(printed)}; the site register says {plain(true)}",
            scaled(printed / true),
        )  # fmt: skip
    known = [pair for pair in energy_pairs(pairs) if pair.quantity and pair.billed_quantity]
    if not known:
        return
    billed = sum((pair.billed_quantity or Decimal(0) for pair in known), Decimal(0))
    ours = sum((pair.quantity or Decimal(0) for pair in known), Decimal(0))
    for factor in _factors(billed / ours, true):
        yield Suspicion(
            "meter_multiplier", SLIP,
            f"{plain(billed)} kWh are billed and {plain(ours)} metered: {plain(factor)} times as much, as with the "
            f"multiplier {plain(factor * true)} instead of {plain(true)}",
            scaled(factor),
        )  # fmt: skip


def _factors(ratio: Decimal, multiplier: Decimal) -> list[Decimal]:
    """Factors near the ratio that a wrong multiplier gives: whole numbers, their inverses, whole multipliers."""
    if ratio <= 0:
        return []
    near = [round(ratio) if ratio > 1 else 0]
    found = {Decimal(whole) for whole in near if whole}
    inverse = round(1 / ratio)
    if inverse:
        found.add(1 / Decimal(inverse))
    # Registers behind current transformers: another whole transformer ratio in place of the true one.
    if multiplier != 1 and (whole := round(ratio * multiplier)):
        found.add(Decimal(whole) / multiplier)
    found |= set(_VOLUMES) | {1 / volume for volume in _VOLUMES}
    # kWh are printed whole: on a small bill that moves the ratio by two parts in a thousand.
    return sorted(factor for factor in found if factor != 1 and abs(factor / ratio - 1) < Decimal("0.002"))


def _other_tariffs(case: Case) -> Iterator[Suspicion]:
    """Each tariff alone over all dates; first the one that the bill names and that does not hold on them."""
    start, end = case.truth.start, case.truth.end
    true = ", ".join(tariff.tariff_id for tariff in case.truth.tariffs)
    is_one = len(case.truth.tariffs) == 1
    for tariff in case.tariffs:
        # Alone, the true tariff is what the bill was made with already.
        if is_one and tariff.tariff_id == case.truth.tariffs[0].tariff_id:
            continue
        is_printed = is_named(tariff, case.bill.tariff_codes)
        held = f"it is valid from {tariff.valid_from} to {tariff.valid_to}"
        lacks = "" if tariff.valid_from <= start and end <= tariff.valid_to else f"; {held}"
        yield Suspicion(
            "wrong_tariff_period", PAPER if is_printed else SLIP,
            f"{start} to {end} is billed at tariff {tariff.tariff_id}{lacks}; {true} applies",
            under(timeless(tariff)),
        )  # fmt: skip


def _change_day(case: Case) -> Iterator[Suspicion]:
    """A change of tariff inside the bill, some days early or late."""
    ordered = sorted(case.truth.tariffs, key=lambda tariff: tariff.valid_from)
    for first, second in pairwise(ordered):
        for shift in range(-_SLIP_DAYS, _SLIP_DAYS + 1):
            day = first.valid_to + timedelta(days=shift)
            # With three tariffs a change that moves would meet the next one.
            if not shift or not case.truth.start < day < case.truth.end or len(ordered) != 2:
                continue
            moved = (
                first.model_copy(update={"valid_to": day}),
                second.model_copy(update={"valid_from": day}),
            )
            yield Suspicion(
                "wrong_tariff_period", SEARCH,
                f"tariff {second.tariff_id} is billed from {day}; it is valid from {second.valid_from}", under(*moved),
            )  # fmt: skip


def _prices_swapped(case: Case) -> Iterator[Suspicion]:
    """Two energy periods, each at the other's price."""
    for one, other in period_pairs(case):
        yield Suspicion(
            "wrong_tariff_period", SLIP, f"energy of {one} and {other} is billed at each other's price",
            with_swapped(one, other, hours=False),
        )  # fmt: skip


def _taxes(case: Case, pairs: list[Pair]) -> Iterator[Suspicion]:
    """Another rate, another base or a tax left out, where the tariff has taxes."""
    printed = {pair.line_id: pair.billed_rate for pair in pairs if pair.component == "tax"}
    for tax in {tax.charge_id: tax for tariff in case.truth.tariffs for tax in tariff.taxes}.values():
        pair = next((pair for pair in pairs if pair.line_id == tax.charge_id), None)
        if pair is None or not pair.recomputed or not tax.share:
            continue
        yield from _rates(tax, pair, printed.get(tax.charge_id))
        names = ["energy", "demand", "fixed", "rider"]
        ids = sorted({name for tariff in case.truth.tariffs for name in tariff.charge_ids()})
        bases: list[tuple[str, ...]] = [()] if tax.of else []
        bases += [(name,) for name in names]
        bases += [tuple(other for other in ids if other not in (name, tax.charge_id)) for name in ids]
        for of in bases:
            taken, own = (", ".join(each) or "all lines" for each in (of, tax.of))
            reason = f"{tax.charge_id} is taken of {taken}; the tariff says {own}"
            yield Suspicion("tax", SLIP, reason, with_charge("taxes", tax.charge_id, of=of))


def _rates(tax: Tax, pair: Pair, printed: Decimal | None) -> Iterator[Suspicion]:
    billed, ours = pair.billed or Decimal(0), pair.recomputed or Decimal(1)
    # Four decimals of a share are hundredths of a per cent: no tax is finer.
    implied = round(tax.share * billed / ours, 4)
    rates = {implied: SLIP, round(implied, 3): SLIP, round(implied, 2): SLIP}
    if printed is not None:
        # A rate is printed as 0.2 or as 20; 0.5 may be half a per cent.
        rates |= dict.fromkeys([printed, printed / 100] if printed < 1 else [printed / 100], PAPER)
    for rate, rank in rates.items():
        if rate == tax.share or rate < 0:
            continue
        reason = f"{plain(rate * 100)} % is billed; the tariff says {plain(tax.share * 100)} %"
        yield Suspicion("tax", rank, f"{tax.charge_id}: {reason}", with_charge("taxes", tax.charge_id, share=rate))
