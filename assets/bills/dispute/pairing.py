"""Which line of a supplier's bill is which line of ours: by name, unit and rate. What has no partner stays alone."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from data_quality.contracts.billing.bill import BillLine, BillPeriod, ItemKind
from data_quality.contracts.billing.supplier_bill import BilledLine
from data_quality.contracts.billing.tariff_charges import LineOwner

_ZERO = Decimal(0)
# English and German, and taxes by their names in the countries that bills come from.
_SAME = {
    "energy": ("energy", "unit", "units", "usage", "consumption", "electricity", "kwh", "arbeit", "verbrauch", "gas"),
    "fixed": ("fixed", "standing", "daily", "service", "base", "basic", "customer", "grundpreis", "monthly"),
    "tax": ("tax", "vat", "gst", "mwst", "ust", "tva", "iva", "btw", "steuer"),
    "demand": ("demand", "kw", "kva", "leistung", "maximum", "md"),
    "reactive": ("reactive", "kvarh", "blindarbeit"),
    "export": ("export", "exported", "feed", "surplus", "einspeisung"),
    "peak": ("peak", "onpeak"),
    "offpeak": ("offpeak",),
}  # fmt: skip
_CANON = {word: name for name, words in _SAME.items() for word in words}
# Gas is metered in cubic metres and billed in kWh: both are its energy.
_FAMILY = {
    "kwh": "energy", "mwh": "energy", "kw": "power", "kva": "power", "day": "time", "days": "time", "month": "time",
    "months": "time", "kvarh": "reactive", "m3": "energy", "m³": "energy",
}  # fmt: skip
_NOISE = frozenset({"charge", "charges", "rate", "of", "the", "per", "and", "at", "for", "amount"})
# One shared word has three points; below two a pairing is a guess, and lines stay alone.
_LEAST = 2.0


@dataclass(frozen=True)
class Pair:
    """One line of both bills. line_id and component are ours; of a line that only they have, `billed.N` and ""."""

    line_id: str
    component: str
    label: str
    billed: Decimal | None
    recomputed: Decimal | None
    billed_quantity: Decimal | None = None
    quantity: Decimal | None = None
    billed_rate: Decimal | None = None
    rate: Decimal | None = None
    unit: str = ""
    line: int = 0
    owner: LineOwner = "unknown"

    @property
    def delta(self) -> Decimal:
        """Billed less recomputed; a line that one side lacks counts there as nothing."""
        return (self.billed or _ZERO) - (self.recomputed or _ZERO)


@dataclass
class _Group:
    """Our lines of one id; several where the bill is split by date."""

    line_id: str
    parts: list[BillLine]


def pair_lines(billed: Sequence[BilledLine], period: BillPeriod) -> list[Pair]:
    """All lines of both, in the order of ours, then theirs without a partner. Lines of 0 that only we have are left."""
    groups: dict[str, _Group] = {}
    for line in period.lines:
        # Lines of information (credit carried, credit that expires) have no amount to compare.
        if line.kind is not ItemKind.INFORMATION:
            base = line.line_id.partition("@")[0]
            groups.setdefault(base, _Group(base, [])).parts.append(line)
    taken = _assign(billed, list(groups.values()))
    pairs: list[Pair] = []
    for group in groups.values():
        theirs = [billed[n] for n, name in sorted(taken.items()) if name == group.line_id]
        if len(theirs) == len(group.parts):
            pairs += [_pair(part.line_id, [own], [part]) for own, part in zip(theirs, group.parts, strict=True)]
        elif theirs or any(part.amount for part in group.parts):
            pairs.append(_pair(group.line_id, theirs, group.parts))
    pairs += [_pair(f"billed.{n + 1}", [alone], []) for n, alone in enumerate(billed) if n not in taken]
    return pairs


def _pair(line_id: str, theirs: Sequence[BilledLine], ours: Sequence[BillLine]) -> Pair:
    first = theirs[0] if theirs else None
    quantities = [line.quantity for line in theirs]
    our_quantities = [part.quantity for part in ours]
    owners = {part.owner for part in ours}
    return Pair(
        line_id=line_id,
        component=ours[0].component if ours else "",
        label=first.label if first else ours[0].description,
        billed=sum((line.amount for line in theirs), _ZERO) if theirs else None,
        recomputed=sum((part.amount for part in ours), _ZERO) if ours else None,
        billed_quantity=_total(quantities),
        quantity=_total(our_quantities),
        billed_rate=first.rate if first and len(theirs) == 1 else None,
        rate=ours[0].rate if len(ours) == 1 else None,
        unit=ours[0].unit if ours else (first.unit if first else ""),
        line=first.place.line if first else 0,
        owner=owners.pop() if len(owners) == 1 else "unknown",
    )


def _total(values: Sequence[Decimal | None]) -> Decimal | None:
    known = [value for value in values if value is not None]
    return sum(known, _ZERO) if known and len(known) == len(values) else None


def _assign(billed: Sequence[BilledLine], groups: Sequence[_Group]) -> dict[int, str]:
    """Index of their line -> id of ours: best score first, each group as often as it has parts."""
    periods = {part.period_id.lower() for group in groups for part in group.parts if part.period_id}
    # Of equal scores the order of both bills decides, so that the same bill pairs alike in every run.
    scores = sorted(
        (
            (-_score(line, group, periods), n, order)
            for n, line in enumerate(billed)
            for order, group in enumerate(groups)
        ),
    )
    room = {group.line_id: len(group.parts) for group in groups}
    taken: dict[int, str] = {}
    for score, n, order in scores:
        name = groups[order].line_id
        if -score >= _LEAST and n not in taken and room[name]:
            taken[n] = name
            room[name] -= 1
    # A supplier may cut a line into more parts than we do: further lines of one label belong to the first.
    of_label = {
        billed[n].label.lower(): name for n, name in taken.items() if sum(v == name for v in taken.values()) == 1
    }
    for n, line in enumerate(billed):
        if n not in taken and line.label.lower() in of_label:
            taken[n] = of_label[line.label.lower()]
    return taken


def _score(line: BilledLine, group: _Group, periods: set[str]) -> float:
    part = group.parts[0]
    label = line.label.strip().lower()
    names = {group.line_id.lower(), part.description.lower(), part.charge_id.lower()}
    theirs, ours = _words(label), _words(" ".join([*sorted(names), part.component]))
    score = 100.0 if label in names else 3.0 * len(theirs & ours) - 0.5 * len(theirs - ours) - 0.1 * len(ours - theirs)
    family, own = _FAMILY.get(line.unit.lower(), ""), _FAMILY.get(part.unit.lower(), "")
    if family and own:
        # Six points undo two shared words: a line per kW and one per kWh often have the same name.
        score += 1.0 if family == own else -6.0
    if bool(family) != bool(own):
        score -= 1.0
    # A tax on energy names the energy too: without this it would be paired with what it is a tax of.
    if ("tax" in theirs) != (part.component == "tax") and "tax" in theirs | {part.component}:
        score -= 6.0
    named = {period for period in periods if set(_words(period)) <= theirs}
    # Peak stands in off-peak: the longest name that the label holds is meant.
    longest = max((len(_words(period)) for period in named), default=0)
    named = {period for period in named if len(_words(period)) == longest}
    if named and part.period_id:
        score += 4.0 if part.period_id.lower() in named else -6.0
    # The same price on both bills is nearly a name.
    rates = {each.rate for each in group.parts if each.rate is not None}
    if line.rate is not None and line.rate in rates:
        score += 2.0
    return score


def _words(text: str) -> set[str]:
    joined = re.sub(r"\bt(?:ier)?\s*(\d+)\b", r"tier\1", re.sub(r"off[ _-]?peak", "offpeak", text.lower()))
    joined = re.sub(r"on[ _-]?peak", "peak", joined)
    found = [word for word in re.split(r"[^0-9a-zà-ÿ]+", joined) if word and word not in _NOISE]
    # Long numbers in a label are dates and meters, which name no charge; short ones are tiers.
    return {_CANON.get(word, word) for word, _ in Counter(found).items() if not word.isdigit() or len(word) < 3}
