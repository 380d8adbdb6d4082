"""Rules of a site's meter hierarchy: known parents, one at a time, no loop on any date, formulas that add up.

The checks raise ValueError with the meter's name in front, so that the site loader can point at the line.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial

from data_quality.contracts.model import check_all
from data_quality.contracts.site_file.formula import Term, parse_formula
from data_quality.contracts.site_file.meter import Meter, Register
from data_quality.contracts.units import Behaviour, unit_of

CONSUMPTION_REGISTER = "import"


def check_hierarchy(meters: Sequence[Meter]) -> None:
    """Raise ValueError where parents, makers or formulas of a site's meters contradict each other."""
    by_id = {meter.meter_id: meter for meter in meters}
    check_all(check for meter in meters for check in _of_meter(meter, by_id))
    # Between two changes the hierarchy stands still: one look at the first day of each span is enough.
    for first_day in breakpoints(meters):
        parents = {meter.meter_id: meter.parent_on(first_day) for meter in meters}
        when = "" if first_day == date.min else f" on {first_day}"
        check_no_loop({name: (parent,) if parent else () for name, parent in parents.items()}, "meter hierarchy", when)
    check_no_loop({meter.meter_id: meter.made_from for meter in meters}, "made_from")
    inputs = {m.meter_id: [t.meter_id for t in parse_formula(m.formula)] for m in meters if m.formula is not None}
    check_no_loop(inputs, "virtual meters")


def _of_meter(meter: Meter, by_id: Mapping[str, Meter]) -> Iterator[Callable[[], None]]:
    for span in meter.parents:
        yield partial(_known, f"meter {meter.meter_id!r}: parents", span.parent, by_id)
    for maker in meter.made_from:
        yield partial(_known, f"meter {meter.meter_id!r}: made_from", maker, by_id)
    if meter.formula is not None:
        yield partial(_check_formula, meter, by_id)


def breakpoints(meters: Iterable[Meter]) -> list[date]:
    """The local dates on which the hierarchy changes, in order; date.min stands first."""
    spans = [span for meter in meters for span in meter.parents]
    edges = {edge for span in spans for edge in (span.valid_from, span.valid_to) if edge is not None}
    return [date.min, *sorted(edges - {date.min})]


def check_no_loop(edges: Mapping[str, Sequence[str]], what: str, when: str = "") -> None:
    """Raise ValueError naming a node of the first loop. edges: node -> the nodes that it rests on."""
    done: set[str] = set()
    for start in edges:
        # An explicit stack: a chain of meters may be longer than Python's recursion.
        path: list[str] = []
        waiting: list[tuple[str, bool]] = [(start, False)]
        while waiting:
            node, is_left = waiting.pop()
            if is_left:
                path.pop()
                done.add(node)
            elif node in path:
                loop = [*path[path.index(node) :], node]
                raise ValueError(f"{what} has a loop through {node!r}{when}: {' -> '.join(loop)}")
            elif node not in done:
                path.append(node)
                waiting.append((node, True))
                waiting += [(each, False) for each in edges.get(node, ())]


def register_of(meter: Meter, register_id: str | None) -> Register:
    """The register that a formula means: the named one, else import, else the only one. Raises ValueError."""
    by_id = {register.register_id: register for register in meter.registers}
    if register_id is None:
        # `main - lights` means what was consumed, also where a meter counts feed-in beside it.
        if CONSUMPTION_REGISTER in by_id:
            return by_id[CONSUMPTION_REGISTER]
        if len(by_id) == 1:
            return meter.registers[0]
        names = " or ".join(f"{meter.meter_id}.{name}" for name in by_id)
        raise ValueError(f"{meter.meter_id!r} has several registers; write {names}")
    if register_id not in by_id:
        raise ValueError(f"{meter.meter_id!r} has no register {register_id!r}; it has {', '.join(by_id)}")
    return by_id[register_id]


def _check_formula(meter: Meter, by_id: Mapping[str, Meter]) -> None:
    where = f"meter {meter.meter_id!r}: formula"
    try:
        terms = parse_formula(str(meter.formula))
    except ValueError as fault:
        raise ValueError(f"{where}: {fault}") from fault
    if len(meter.registers) != 1:
        raise ValueError(f"{where}: a virtual meter has one register, this one has {len(meter.registers)}")
    for term in terms:
        _known(where, term.meter_id, by_id)
        try:
            _check_term(meter, term, by_id[term.meter_id])
        except ValueError as fault:
            raise ValueError(f"{where}: {fault}") from fault


def _check_term(meter: Meter, term: Term, given: Meter) -> None:
    register = register_of(given, term.register_id)
    theirs, ours = unit_of(register.unit), unit_of(meter.registers[0].unit)
    if theirs.behaviour is not Behaviour.AMOUNT:
        raise ValueError(f"{term.meter_id!r} is a level in {theirs.canonical}; only amounts add up")
    if theirs.canonical != ours.canonical:
        raise ValueError(f"{term.meter_id!r} is in {theirs.canonical}, this meter in {ours.canonical}")
    if given.carrier != meter.carrier and term.meter_id not in meter.made_from:
        raise ValueError(
            f"{term.meter_id!r} measures {given.carrier.value}, this meter {meter.carrier.value}; "
            "one carrier becomes another only where made_from says so"
        )


def _known(what: str, name: str, allowed: Mapping[str, object]) -> None:
    if name not in allowed:
        close = difflib.get_close_matches(name, list(allowed), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(allowed)}"
        raise ValueError(f"{what}: {name!r} is not of this site; {hint}")
