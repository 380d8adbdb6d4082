"""Which local days the emission factors changed on since the marts were built: pure, over texts that marks keep.

A text has a line `first day|day after the last|what the factor is for|value` for each factor; only days on which
the value of something differs are to be computed again.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise

from assets.carbon.factor_choice.factor_view import FactorView
from assets.carbon.factor_choice.meter_factors import exact_factor
from data_quality.contracts.factor import Basis
from data_quality.contracts.site_file.site import Site

_Spans = dict[str, list[tuple[date, date, str]]]


def factors_text(site: Site, view: FactorView) -> str:
    """The location-based factors of the carriers that the site meters."""
    metered = {meter.carrier for meter in site.meters}
    lines = [
        f"{each.valid_from}|{each.valid_to}|{each.carrier}/{each.calorific_basis}/{each.origin}|{exact_factor(each):f}"
        for each in view.entries
        if each.basis is Basis.LOCATION and each.carrier in metered
    ]
    return "\n".join(sorted(lines))


def changed_days(before: str, now: str) -> list[tuple[date, date]]:
    """Spans [first, after) of days on which a factor differs between the two texts."""
    if before == now:
        return []
    old, new = _spans(before), _spans(now)
    edges = sorted({day for spans in (old, new) for each in spans.values() for span in each for day in span[:2]})
    return [
        (first, after)
        for first, after in pairwise(edges)
        # Between two edges nothing changes: the first day speaks for all.
        if any(_on(old, name, first) != _on(new, name, first) for name in {*old, *new})
    ]


def spliced(before: str, now: str, first: date, after: date) -> str:
    """What is built once [first, after) is computed anew: the present factors on those days, the former on others."""
    inside = [_line(name, max(span[0], first), min(span[1], after), span[2]) for name, span in _each(now)]
    outside = [
        _line(name, start, end, span[2])
        for name, span in _each(before)
        for start, end in ((span[0], min(span[1], first)), (max(span[0], after), span[1]))
    ]
    return "\n".join(sorted(line for line in [*inside, *outside] if line))


def is_changed(month: str, spans: Iterable[tuple[date, date]]) -> bool:
    """True where a span has a day of the month `SITE|YYYY-MM`."""
    start = date.fromisoformat(f"{month.rpartition('|')[2]}-01")
    # 31 days after a first lie in the next month, whatever the length of this one.
    after = (start + timedelta(days=31)).replace(day=1)
    return any(one < after and start < other for one, other in spans)


def _spans(text: str) -> _Spans:
    found: _Spans = {}
    for line in text.splitlines():
        first, after, name, value = line.split("|")
        found.setdefault(name, []).append((date.fromisoformat(first), date.fromisoformat(after), value))
    return found


def _each(text: str) -> Iterable[tuple[str, tuple[date, date, str]]]:
    return [(name, span) for name, spans in _spans(text).items() for span in spans]


def _on(spans: _Spans, name: str, day: date) -> str | None:
    return next((value for first, after, value in spans.get(name, ()) if first <= day < after), None)


def _line(name: str, first: date, after: date, value: str) -> str:
    return f"{first}|{after}|{name}|{value}" if first < after else ""
