"""Why a bill differs: each suspicion is billed again; the one that gives the billed figures, to the cent, is the cause.

What nothing explains stays unexplained: a cause is never chosen for being near.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, islice

from assets.bills.dispute.pairing import Pair, pair_lines
from assets.bills.dispute.scenario import Scenario, scenario_bill
from assets.bills.dispute.suspect_load import suspect_load
from assets.bills.dispute.suspect_reads import suspect_reads
from assets.bills.dispute.suspect_terms import is_tax, suspect_terms
from assets.bills.dispute.suspicion import SEARCH, SLIP, Case, Cause, Suspicion, plain
from assets.bills.engine.settle import write_riders, write_taxes
from assets.tariffs.charge_lines import Line, RoundingWriter
from data_quality.contracts.billing.bill import BillPeriod
from data_quality.contracts.billing.tariff import minor_digits
from data_quality.contracts.errors import BadInput

_ZERO = Decimal(0)
# Each try is a whole bill recomputed; and the more are tried, the likelier one fits by chance.
_MAX_TRIED, _MAX_PAIRS = 400, 150


@dataclass(frozen=True)
class Explanation:
    """The cause of a variance, in sentences; also: other causes that give the same figures."""

    cause: Cause
    evidence: tuple[str, ...]
    also: tuple[Cause, ...] = ()


def agrees(case: Case, pairs: Sequence[Pair], period: BillPeriod) -> bool:
    """True where every line and the total are those billed, to one minor unit."""
    billed = case.bill.total
    # The lines' own differences of a minor unit add up in the total.
    slack = max(case.unit, abs(sum((pair.delta for pair in pairs), _ZERO)))
    is_sum = billed is None or abs(billed - period.total) <= slack
    return is_sum and _adds_up(case) and all(abs(pair.delta) <= case.unit for pair in pairs)


def classify(case: Case, ours: BillPeriod, pairs: list[Pair]) -> Explanation:
    """The cause of a bill that does not agree."""
    # Billing again gives lines that add up: it could never explain a total that is not their sum.
    if not _adds_up(case):
        lines = case.bill.lines_total
        return Explanation("unexplained", (f"the lines add up to {lines}, the bill's total is {case.bill.total}",))
    suspicions = sorted(islice(_suspicions(case, pairs), _MAX_TRIED), key=lambda suspicion: suspicion.rank)
    fits: list[tuple[int, Decimal, int, Suspicion, str]] = []
    # Lines that are wrong by themselves: not because a line that they are a share of is.
    base = [pair for pair in pairs if not _follows(case, pair) and abs(pair.delta) > case.unit]
    own = [*base, *own_following(case, ours, pairs)]
    for order, suspicion in enumerate(suspicions):
        # A simple cause that fits ends the search: a far-fetched one fits some bills by chance.
        if fits and suspicion.rank > fits[0][3].rank:
            break
        # Only taxes are wrong in themselves: a slip of metering or price would have moved another line as well.
        if suspicion.rank >= SLIP and own and all(is_tax(pair) for pair in own) and suspicion.cause != "tax":
            continue
        if (found := _fit(case, suspicion, ours, pairs)) is not None:
            fits.append((found[0], found[1], order, suspicion, found[2]))
    if fits:
        # What explains all lines comes first, then what leaves least, then the order of weight.
        best = min(fits, key=lambda fit: fit[:3])
        same = {fit[3].cause: None for fit in fits if fit[:2] == best[:2] and fit[3].cause != best[3].cause}
        return Explanation(best[3].cause, (best[3].sentence, best[4]), tuple(same))
    if own and all(is_tax(pair) for pair in own):
        return Explanation("tax", tuple(_tax_sentence(pair) for pair in own))
    return _two_at_once(case, suspicions, ours) or _gap(case, ours, pairs) or _nothing(case, pairs, own)


def _suspicions(case: Case, pairs: list[Pair]) -> Iterator[Suspicion]:
    yield from suspect_terms(case, pairs)
    yield from suspect_reads(case, pairs)
    yield from suspect_load(case, pairs)


def _try(scenario: Scenario | None) -> BillPeriod | None:
    if scenario is None:
        return None
    try:
        return scenario_bill(scenario)
    except BadInput:
        return None  # what cannot be billed was not billed


def _fit(case: Case, suspicion: Suspicion, ours: BillPeriod, pairs: list[Pair]) -> tuple[int, Decimal, str] | None:
    """(0 whole or 1 some lines, what is left, sentence) where the suspicion gives the billed figures."""
    period = _try(suspicion.change(case.truth))
    if period is None:
        return None
    theirs = pair_lines(case.bill.lines, period)
    left = sum((abs(pair.delta) for pair in theirs), _ZERO)
    if all(abs(pair.delta) <= case.unit for pair in theirs):
        return 0, left, f"billed again so, every line comes to the billed amount ({period.total} in all)"
    alternative = {pair.line_id: pair.recomputed for pair in theirs}
    changed = []
    # Shares follow their lines, and are judged on the lines as billed below.
    for pair in pairs:
        if _follows(case, pair):
            continue
        as_we = abs(pair.delta)
        # A line that the alternative does not have must be billed as nothing.
        as_they = abs((pair.billed or _ZERO) - (alternative.get(pair.line_id) or _ZERO))
        if min(as_we, as_they) > case.unit:
            return None
        if as_they <= case.unit < as_we:
            changed.append(pair)
    if not changed or own_following(case, ours, pairs):
        return None
    names = ", ".join(pair.line_id for pair in changed)
    return 1, left, f"billed again so, {names} comes to the billed amount; the other lines are right"


def _follows(case: Case, pair: Pair) -> bool:
    """True for lines that are a share of others: taxes, riders by share."""
    base = pair.line_id.partition("@")[0]
    shares = {rider.charge_id for t in case.truth.tariffs for rider in t.riders if rider.share is not None}
    return pair.component == "tax" or base in shares


def own_following(case: Case, ours: BillPeriod, pairs: Sequence[Pair]) -> list[Pair]:
    """Taxes and shares that are wrong even on the lines as billed."""
    tariff = case.truth.tariffs[0]
    # Split by date, a share stands on the lines of its own part: its plain difference has to do.
    if any("@" in pair.line_id for pair in pairs if _follows(case, pair)):
        return [pair for pair in pairs if _follows(case, pair) and abs(pair.delta) > case.unit]
    kinds = {line.line_id.partition("@")[0]: line for line in ours.lines}
    pen = RoundingWriter(case.truth.currency, minor_digits(case.truth.currency))
    for pair in pairs:
        known = kinds.get(pair.line_id.partition("@")[0])
        if not _follows(case, pair) and pair.billed is not None:
            # A line that only they have still raises the base of a tax on all lines.
            component, charge = (known.component, known.charge_id) if known else ("fixed", pair.line_id)
            pen.lines.append(Line(pair.line_id, "information", component, "", pair.billed, charge_id=charge))
    write_riders(pen, [rider for rider in tariff.riders if rider.share is not None], [], _ZERO, _ZERO)
    write_taxes(pen, tariff)
    expected = {line.line_id: line.amount for line in pen.lines}
    return [
        pair
        for pair in pairs
        if _follows(case, pair) and abs((pair.billed or _ZERO) - expected.get(pair.line_id, _ZERO)) > case.unit
    ]


def _two_at_once(case: Case, suspicions: Sequence[Suspicion], ours: BillPeriod) -> Explanation | None:
    """Two slips together; the one that moves the total more is named as the cause."""
    # Searched dates, two at a time, would come near any figure.
    likely = [suspicion for suspicion in suspicions if suspicion.rank < SEARCH]
    effects: dict[int, Decimal] = {}
    for one, other in islice(_combined(likely), _MAX_PAIRS):
        first = one.change(case.truth)
        period = _try(other.change(first)) if first is not None else None
        if period is None:
            continue
        if all(abs(pair.delta) <= case.unit for pair in pair_lines(case.bill.lines, period)):
            # Which of the two is named must not depend on their order in the search.
            for suspicion in (one, other):
                alone = _try(suspicion.change(case.truth))
                effects[id(suspicion)] = abs(alone.total - ours.total) if alone else _ZERO
            main = max((one, other), key=lambda suspicion: effects[id(suspicion)])
            rest = other if main is one else one
            return Explanation(
                main.cause, (main.sentence, rest.sentence, "both together come to the billed amounts"), (rest.cause,)
            )
    return None


def _combined(likely: Sequence[Suspicion]) -> Iterator[tuple[Suspicion, Suspicion]]:
    """Two of different causes: what sets registers first, then what scales them, then prices."""
    order = {"wrong_read_date": 0, "estimated_read": 0, "missing_data": 0, "meter_multiplier": 1}
    for one, other in combinations(likely, 2):
        if one.cause != other.cause:
            first, second = sorted((one, other), key=lambda suspicion: order.get(suspicion.cause, 2))
            yield first, second


def _gap(case: Case, ours: BillPeriod, pairs: Sequence[Pair]) -> Explanation | None:
    """Our own data are not whole, and what is billed beyond them fits into the gap."""
    if ours.coverage >= 1 or case.truth.load is None:
        return _unread(case)
    # Fixed amounts do not come from the load: no gap of it explains them.
    if any(pair.component == "fixed" and abs(pair.delta) > case.unit for pair in pairs):
        return None
    load = case.truth.load
    span = (case.truth.end - case.truth.start).days
    # The highest interval that was seen bounds what one in the gap can have held.
    highest = Decimal(int(load.imported(is_gross=False).max(initial=0))) / 10**9 * 60 / load.step_minutes
    room = highest * 24 * span * Decimal(str(1 - ours.coverage))
    energy = [pair for pair in pairs if pair.component == "energy" and pair.billed_quantity is not None]
    more = sum(((pair.billed_quantity or _ZERO) - (pair.quantity or _ZERO) for pair in energy), _ZERO)
    # A flat load fills its gap to the last digit: the coverage is no exact number.
    if more <= 0 or round(more - room, 6) > 0:
        return None
    return Explanation(
        "missing_data",
        (
            f"the load covers {ours.coverage:.2%} of {case.truth.start} to {case.truth.end}; {plain(more)} kWh more "
            f"are billed than it holds, and the gap could hold up to {plain(room)} kWh",
        ),
    )


def _unread(case: Case) -> Explanation | None:
    # Only places on the bill: a missing label of the head lacks no energy.
    lines = [unread for unread in case.bill.unread if unread.place.line]
    if not lines:
        return None
    facts = tuple(f"{unread.place}: {unread.text!r} could not be read; expected {unread.expected}" for unread in lines)
    return Explanation("missing_data", facts)


def _nothing(case: Case, pairs: Sequence[Pair], own: Sequence[Pair]) -> Explanation:
    facts = []
    for pair in own or [pair for pair in pairs if abs(pair.delta) > case.unit]:
        ours = pair.recomputed if pair.recomputed is not None else "no such line"
        facts.append(f"{pair.line_id} ({pair.label}): billed {pair.billed or _ZERO}, recomputed {ours}")
        product = (pair.billed_quantity or _ZERO) * (pair.billed_rate or _ZERO)
        if pair.billed is not None and product and abs(product - pair.billed) > case.unit:
            facts.append(
                f"its own quantity {plain(pair.billed_quantity or _ZERO)} times its rate "
                f"{plain(pair.billed_rate or _ZERO)} is {plain(round(product, 2))}"
            )
    return Explanation(
        "unexplained", (*facts, "no date, tariff, multiplier, estimate, demand window, tax or gap gives it")
    )


def _tax_sentence(pair: Pair) -> str:
    billed = pair.billed if pair.billed is not None else "nothing"
    return f"{pair.line_id} ({pair.label}): billed {billed}, on the lines as billed the tariff gives otherwise"


def _adds_up(case: Case) -> bool:
    """True where total and net are the sums of what was read; a bill with unread lines is not judged by its sum."""
    if any(unread.place.line for unread in case.bill.unread):
        return True
    total = case.bill.total
    return total is None or abs(case.bill.lines_total - total) <= case.unit
