"""The latest factor that a set has, held on until a newer one is published: on request, and marked.

Source: formulas 5.12 (factors of the reporting year, or latest available, marked). Certificates and contracts end when
they end.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from assets.carbon.factor_choice.gwp import name_key
from assets.carbon.factor_choice.match_units import parse_unit
from data_quality.contracts.emissions.carbon import CarbonLine
from data_quality.contracts.factor import HELD, Factor
from data_quality.contracts.finding import Finding


class Extended(NamedTuple):
    """The factors, and of those that hold on the local date after the last that they were published for, by id."""

    factors: tuple[Factor, ...]
    published_to: dict[str, date]


def extended(factors: Sequence[Factor], until: date) -> Extended:
    """The last rows of each series of factors hold until that date."""
    last: dict[tuple[object, ...], date] = {}
    for row in factors:
        last[_series(row)] = max(last.get(_series(row), row.valid_to), row.valid_to)
    published: dict[str, date] = {}
    found = []
    for row in factors:
        # Of a series only the last row may stand in for the days after it: an older one has been replaced.
        if row.basis in HELD or row.valid_to != last[_series(row)] or row.valid_to >= until:
            found.append(row)
            continue
        published[row.factor_id] = row.valid_to
        found.append(row.model_copy(update={"valid_to": until}))
    return Extended(tuple(found), published)


def marked(lines: Sequence[CarbonLine], published_to: dict[str, date]) -> list[Finding]:
    """A finding for each line that stands on a factor beyond the days that it was published for."""
    found: dict[str, Finding] = {}
    for line in lines:
        # A factor made of gases joins their ids (Bundle.factor_id).
        ends = [end for name in line.factor_id.split("+") if (end := published_to.get(name)) and end < line.end]
        if not ends:
            continue
        end = min(ends)
        message = (
            f"{line.line_id}: {line.factor_id} was published for days until {end - timedelta(days=1)}; it stands in "
            f"until {line.end - timedelta(days=1)}, the latest that the set has"
        )
        found[message] = Finding(
            code="latest_factor",
            message=message,
            scope=line.line_id,
            facts={"factor_id": line.factor_id, "days": (line.end - max(end, line.start)).days},
        )
    return list(found.values())


def _series(row: Factor) -> tuple[object, ...]:
    return (
        row.scope, name_key(row.activity), parse_unit(row.unit), row.region.casefold(), row.supplier.casefold(),
        row.basis, row.gas.casefold(), row.gwp_set,
    )  # fmt: skip
