"""Suspicions that registers raise: dates, multiplier, registers swapped or left out, estimates."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import combinations

from assets.bills.dispute.applies import is_named
from assets.bills.dispute.pairing import Pair
from assets.bills.dispute.scenario import Change, Scenario, merged, on_dates, under, with_uses
from assets.bills.dispute.suspicion import PAPER, SEARCH, SLIP, Case, Suspicion, days, energy_pairs, plain
from assets.bills.documents.reads import MeterReads, uses_of
from assets.bills.engine.bill_load import RegisterUse
from data_quality.contracts.billing.supplier_bill import BilledRegister

# Reads further away than this are no slip of a date.
_NEAR = timedelta(days=130)
_SLIP_DAYS = 10


@dataclass(frozen=True)
class Mismatch:
    """A printed state that is not the read of its printed date. matched: the date whose read it is, if any."""

    register: str
    end: str
    printed: Decimal
    on: date
    read: Decimal | None
    matched: date | None
    matched_is_estimate: bool


def mismatches(case: Case) -> list[Mismatch]:
    """Printed register states that the reads contradict, or that no read of their date confirms."""
    if case.reads is None:
        return []
    start, end = case.period
    found = []
    for register in case.bill.registers:
        if register.period_id not in case.reads.units:
            continue
        for name, printed, on in (("opening", register.opened, start), ("closing", register.closed, end)):
            state = case.reads.at(on)
            read = state.states[register.period_id] if state is not None else None
            if state is not None and read == printed and not state.is_estimated:
                continue
            same = [other for other in case.reads.states if other.states[register.period_id] == printed]
            nearest = min(same, key=lambda other: abs(other.on - on), default=None)
            if nearest is not None and nearest.on == on and not nearest.is_estimated:
                continue
            found.append(
                Mismatch(
                    register.period_id, name, printed, on, read,
                    nearest.on if nearest and nearest.on != on else None,
                    bool(nearest and nearest.is_estimated),
                )
            )  # fmt: skip
    return found


def dates_of(reads: MeterReads, registers: tuple[BilledRegister, ...], *, is_opening: bool) -> list[date]:
    """Dates whose actual reads all printed states of that end are."""
    if not registers or any(register.period_id not in reads.units for register in registers):
        return []
    return [
        state.on
        for state in reads.actual().states
        if all(
            state.states[register.period_id] == (register.opened if is_opening else register.closed)
            for register in registers
        )
    ]


def suspect_reads(case: Case, pairs: list[Pair]) -> Iterator[Suspicion]:
    """In order of their weight within a rank."""
    yield from _printed(case)
    yield from _swapped(case)
    yield from _other_dates(case)
    yield from _other_reads(case)
    yield from _left_out(case)
    yield from _averaged(case)
    yield from _billed_estimate(case, pairs)


def _printed(case: Case) -> Iterator[Suspicion]:
    """The bill's own registers and dates, where the reads say otherwise."""
    if case.truth.uses is None or not case.bill.registers:
        return
    wrong, uses = mismatches(case), case.printed_uses()
    start, end = case.period
    change = _both(on_dates(start, end), with_uses(uses))
    own = (case.truth.start, case.truth.end)
    if own != (start, end):
        note = (
            f"the bill is dated {start} to {end} ({days((end - start).days)}), but its registers are the reads of "
            f"{own[0]} and {own[1]} ({days((own[1] - own[0]).days)})"
        )
        yield Suspicion("wrong_read_date", PAPER, note, change)
        dated = [t for t in case.tariffs if is_named(t, case.bill.tariff_codes) or t in case.truth.tariffs]
        others = [t for t in case.tariffs if t.valid_from < end and t.valid_to > start]
        for tariffs in (dated, others):
            # The dates may reach into another tariff, whose price then holds on them.
            yield Suspicion("wrong_read_date", PAPER, note, _both(under(*tariffs), change))
    estimated = [w for w in wrong if w.matched is None or w.matched_is_estimate]
    if estimated:
        note = "; ".join(
            f"{w.end} {w.register} register {plain(w.printed)} at {w.on}, no read of that date"
            if w.read is None
            else f"{w.end} {w.register} register {plain(w.printed)} at {w.on}, read {plain(w.read)}"
            for w in estimated
        )
        text = f"the bill rests on states that are not actual reads: {note}"
        if case.bill.is_estimated:
            text = f"the bill rests on states that are not actual reads (the bill marks it as estimated): {note}"
        yield Suspicion("estimated_read", PAPER, text, change)
    elif wrong:
        note = "; ".join(f"{w.end} {w.register} register at {w.on} is the read of {w.matched}" for w in wrong)
        yield Suspicion("wrong_read_date", PAPER, f"the bill rests on reads of other dates: {note}", change)


def _swapped(case: Case) -> Iterator[Suspicion]:
    uses = [use for use in merged(case.truth.uses or ()) if use.unit in ("kwh", "m3") and use.period_id]
    for one, other in combinations(uses, 2):

        def change(scenario: Scenario, one: str = one.period_id, other: str = other.period_id) -> Scenario | None:
            names = {one: other, other: one}
            return replace(
                scenario,
                uses=tuple(
                    replace(use, period_id=names.get(use.period_id, use.period_id)) for use in scenario.uses or ()
                ),
            )

        yield Suspicion(
            "wrong_tariff_period", SLIP,
            f"registers {one.period_id} and {other.period_id} are swapped: each is billed at the other's price", change,
        )  # fmt: skip


def _other_dates(case: Case) -> Iterator[Suspicion]:
    """Fixed charges of other days than the bill's, quantities as they are: inclusive ends, a slip of some days."""
    if case.truth.uses is None:
        return
    start, end = case.truth.start, case.truth.end
    # Likely slips first, so that of two shifts by the same number the likely one is reported.
    shifts = [(0, 1), (-1, 0), (0, -1), (1, 0)]
    shifts += [(a, b) for a in range(-_SLIP_DAYS, _SLIP_DAYS + 1) for b in range(-_SLIP_DAYS, _SLIP_DAYS + 1)]
    tried = {0}
    for before, after in shifts:
        # Dates count by their number only, but for a change of tariff inside.
        if after - before in tried and len(case.truth.tariffs) == 1:
            continue
        tried.add(after - before)
        first, last = start + timedelta(days=before), end + timedelta(days=after)
        if first >= last or (before, after) == (0, 0):
            continue
        count = (last - first).days
        why = (
            "the last day is counted although the end is exclusive" if (before, after) == (0, 1) else "a slip of dates"
        )
        yield Suspicion(
            "wrong_read_date", SLIP if abs(before) + abs(after) == 1 else SEARCH,
            f"{days(count)} are billed instead of {days((end - start).days)} between the reads: {why}",
            on_dates(first, last),
        )  # fmt: skip


def _other_reads(case: Case) -> Iterator[Suspicion]:
    """Use between reads of other dates, on the true dates or on those of the reads."""
    if case.reads is None or case.truth.uses is None:
        return
    start, end = case.truth.start, case.truth.end
    near = [state for state in case.reads.states if start - _NEAR <= state.on <= end + _NEAR]
    # All pairs of near reads, since a slip may take both ends from other dates.
    for first, last in combinations(near, 2):
        if (first.on, last.on) == (start, end):
            continue
        stretch = [state for state in near if first.on <= state.on <= last.on]
        uses = uses_of(stretch, case.reads.units, case.multiplier)
        text = f"the use between the reads of {first.on} and {last.on} is billed for {start} to {end}"
        yield Suspicion("wrong_read_date", SLIP, text, with_uses(uses))
        yield Suspicion(
            "wrong_read_date", SEARCH, f"the period {first.on} to {last.on} is billed instead of {start} to {end}",
            _both(on_dates(first.on, last.on), with_uses(uses)),
        )  # fmt: skip


def _left_out(case: Case) -> Iterator[Suspicion]:
    for use in merged(case.truth.uses or ()):
        yield Suspicion(
            "missing_data", SEARCH, f"the {use.period_id or 'only'} register is not on the bill: it is billed as zero",
            with_uses((replace(use, quantity=Decimal(0)),)),
        )  # fmt: skip


def _averaged(case: Case) -> Iterator[Suspicion]:
    """The use per day of the period before, times the days: an estimate that nobody marked."""
    if case.reads is None or case.truth.uses is None:
        return
    start, end = case.truth.start, case.truth.end
    earlier = [state for state in case.reads.states if state.on <= start]
    year_before = [state for state in case.reads.states if state.on <= end]
    spans = [(earlier[-2], earlier[-1])] if len(earlier) >= 2 else []
    # About a year before: suppliers estimate from the same season.
    spans += [(a, b) for a, b in combinations(year_before, 2) if 350 <= (end - b.on).days <= 380]
    for first, last in spans:
        before = uses_of([first, last], case.reads.units, case.multiplier)
        length = (last.on - first.on).days
        uses = []
        for use in before:
            quantity = use.quantity * (end - start).days / length
            # An estimate is a whole number, as the states of registers are.
            whole = quantity.quantize(Decimal(1), rounding=ROUND_HALF_UP)
            uses.append(replace(use, quantity=whole, is_estimated=True))
        yield Suspicion(
            "estimated_read", SEARCH,
            f"the use per day between {first.on} and {last.on} is billed for {start} to {end}: an estimate",
            with_uses(uses),
        )  # fmt: skip


def _billed_estimate(case: Case, pairs: list[Pair]) -> Iterator[Suspicion]:
    """The quantities that a bill marked as estimated prints."""
    known = energy_pairs(pairs)
    if not case.bill.is_estimated or case.truth.uses is None or not known:
        return
    start, end = case.truth.start, case.truth.end
    period_ids = {use.period_id for use in case.truth.uses}
    uses = [
        RegisterUse(start, end, pair.billed_quantity or Decimal(0), period_id=pair.line_id.split(".")[-1])
        for pair in known
        if pair.line_id.split(".")[-1] in period_ids
    ]
    yield Suspicion("estimated_read", PAPER, "the bill says that its read is an estimate", with_uses(uses))


def _both(first: Change, second: Change) -> Change:
    def change(scenario: Scenario) -> Scenario | None:
        after = first(scenario)
        return None if after is None else second(after)

    return change
