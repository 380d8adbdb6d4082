"""Scope 2, market-based: certificates, contracts, supplier rate, residual mix, grid average, in that order.

Source: GHG Protocol Scope 2 Guidance 2015 (formulas 5.12). Certificates never touch the location-based method.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal, localcontext
from itertools import pairwise

from assets.carbon.factor_choice.bundles import Bundle, bundles_of
from assets.carbon.factor_choice.match import Part, shares
from assets.carbon.factor_choice.match_units import converted, ratio
from assets.carbon.inventory.carbon_lines import line_of
from assets.carbon.inventory.instruments import Allocation, requested_instruments, usable
from data_quality.contracts.emissions.carbon import Activity, CarbonLine
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import HELD, HIERARCHY, Basis, Factor, GwpSet
from data_quality.contracts.finding import Finding
from data_quality.contracts.sentence import Numeral, Sentence
from data_quality.contracts.units import EXACT

GRID_AVERAGE = "grid_average"


def market_lines(
    activity: Activity,
    parts: Sequence[Part],
    location: Sequence[CarbonLine],
    rows: Sequence[Factor],
    *,
    gwp: GwpSet | None,
    allocation: Allocation,
    states_instruments: bool,
    elsewhere: Sequence[Factor] = (),
) -> tuple[list[CarbonLine], list[Finding]]:
    """The lines of both methods, and the findings of the market-based one.

    parts: the activity by grid-average factors; location: their lines; rows: market-based rows that fit by name, unit,
    time and supplier; elsewhere: those that do not fit by time or supplier, and may be named in vain. Where grid
    average is all there is, the location lines count in both methods.
    """
    requested, findings = requested_instruments(
        activity, rows, states_instruments=states_instruments, elsewhere=elsewhere
    )
    kept, refusals = usable(activity, requested)
    findings += refusals
    # Told, since a person may have bought it for this line and not said so.
    held_back = [row for row in rows if row not in requested and row.basis in HELD]
    if held_back and not activity.instrument:
        findings.append(_unnamed(activity, held_back))
    pieces = [piece for part in parts for piece in _pieces(part, kept)]
    filled = [
        (basis, part) for piece in pieces for basis, part in _fill(activity, piece, bundles_of(kept, gwp), allocation)
    ]
    findings += _short(activity, kept, filled)
    if any(basis == GRID_AVERAGE for basis, _ in filled):
        findings.append(_no_residual(activity))
    # Both methods then rest on the same factors: one line that counts in both says so.
    if all(basis == GRID_AVERAGE for basis, _ in filled):
        return [line.model_copy(update={"is_market": line.is_location}) for line in location], findings
    market = [line_of(activity, part, basis=basis, is_location=False, is_market=True) for basis, part in filled]
    return [*location, *market], findings


def _pieces(part: Part, rows: Sequence[Factor]) -> list[Part]:
    """The part, cut wherever an instrument, supplier rate or residual mix begins or ends."""
    # Whatever holds at all then holds through a whole piece.
    cuts = {each for row in rows for each in (row.valid_from, row.valid_to) if part.start < each < part.end}
    edges = [part.start, *sorted(cuts), part.end]
    spans = list(pairwise(edges))
    amounts = shares(part.quantity, [(end - start).days for start, end in spans])
    return [Part(start, end, amount, part.bundle) for (start, end), amount in zip(spans, amounts, strict=True)]


def _fill(
    activity: Activity, piece: Part, bundles: Sequence[Bundle], allocation: Allocation
) -> Iterator[tuple[str, Part]]:
    """Factors that cover the piece, first of the hierarchy first; the rest is grid average."""
    left = piece.quantity
    for basis in HIERARCHY:
        tier = [each for each in bundles if each.head.basis is basis and _holds(each, piece.start, piece.end)]
        # Where nothing limits them, which of two takes the energy would be a guess.
        unlimited = [each for each in tier if basis not in HELD or each.head.instrument_kwh is None]
        if len(unlimited) > 1:
            raise _two(activity, basis, unlimited)
        for bundle in tier:
            taken = _claim(activity, bundle, left, allocation)
            # Nothing consumed still shows the factor that would have held.
            if taken or (piece.quantity == 0 and bundle is tier[0]):
                yield basis.value, Part(piece.start, piece.end, taken, bundle)
            with localcontext(EXACT):
                left -= taken
        if left == 0 and tier:
            return
    if left or not any(_holds(each, piece.start, piece.end) for each in bundles):
        yield GRID_AVERAGE, Part(piece.start, piece.end, left, piece.bundle)


def _claim(activity: Activity, bundle: Bundle, wanted: Decimal, allocation: Allocation) -> Decimal:
    """Part of the quantity that the factor covers: all of it, or what its instrument has left."""
    row = bundle.head
    left_kwh = allocation.left_kwh(row) if row.basis in HELD else None
    if left_kwh is None:
        return wanted
    by = ratio(activity.unit, "kWh")
    if by is None:
        raise BadInput.at(
            activity,
            f"instrument {row.factor_id!r} counts kWh, activity {activity.activity!r} {activity.unit}",
            reason="wrong_unit",
        )
    wanted_kwh = converted(wanted, by)
    taken_kwh = min(wanted_kwh, left_kwh)
    allocation.take(row, taken_kwh)
    # All of it: the quantity as it was, since there and back through kWh need not be exact.
    return wanted if taken_kwh == wanted_kwh else converted(taken_kwh, 1 / by)


def _holds(bundle: Bundle, start: date, end: date) -> bool:
    return bundle.valid_from <= start and end <= bundle.valid_to


def _two(activity: Activity, basis: Basis, tier: Sequence[Bundle]) -> BadInput:
    return BadInput.at(
        activity,
        f"two {basis} factors for activity {activity.activity!r}: {tier[0].head.where} and {tier[1].head.where}",
        reason="two_factors",
    )


def _unnamed(activity: Activity, rows: Sequence[Factor]) -> Finding:
    names = ", ".join(dict.fromkeys(row.factor_id for row in rows))
    return Finding(
        code="instrument_not_named",
        message=Sentence(
            "{0}: {1} could cover it, but its line names no instrument; not used", activity.activity_id, names
        ),
        severity="info",
        scope=activity.activity_id,
        facts={"factor_id": names},
    )


def _short(activity: Activity, kept: Sequence[Factor], filled: Sequence[tuple[str, Part]]) -> list[Finding]:
    """Findings of lines that name an instrument which is there and does not cover all of the line."""
    names = ", ".join(dict.fromkeys(row.factor_id for row in kept if row.basis in HELD))
    with localcontext(EXACT):
        covered = sum((part.quantity for basis, part in filled if basis in list(HELD)), Decimal(0))
    if not activity.instrument or not names or covered == activity.quantity:
        return []
    return [
        Finding(
            code="instrument_short",
            message=Sentence(
                "{0}: {1} covers {2} of {3} {4}; the rest follows the next level below it",
                activity.activity_id,
                names,
                Numeral(f"{covered.normalize():f}"),
                Numeral(f"{activity.quantity.normalize():f}"),
                activity.unit,
            ),
            scope=activity.activity_id,
            facts={"factor_id": names, "covered": float(covered), "quantity": float(activity.quantity)},
        )
    ]


def _no_residual(activity: Activity) -> Finding:
    return Finding(
        code="no_residual_mix",
        message=Sentence(
            "{0}: no residual mix is given for '{1}': its market-based figure rests on the grid average; "
            "energy that others have claimed may be in it",
            Sentence(activity.activity_id),
            Sentence(activity.activity),
        ),
        scope=activity.activity_id,
    )
