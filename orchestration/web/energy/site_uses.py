"""What a site's energy is made of by interval: its uses, or the meters below the main ones, and the remainder."""

from datetime import datetime
from decimal import Decimal

from assets.kpi.scope_streams import carriers_of
from assets.sites.meter_tree import children_of, has_import, submeters_of, total_meters
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier
from orchestration.web.energy.energy_given import Asked, values_of
from orchestration.web.queries import scopes_of
from reports.datasets.of_uses.enpi_findings import overlapping
from reports.pages.chart import PARTS
from reports.pages.energy import Point, Use
from reports.recompute.computations import combine
from reports.texts.locales import named

NOT_METERED = "Not metered separately"


def uses_of(asked: Asked, points: tuple[Point, ...]) -> tuple[Use, ...]:
    """The parts of a whole site, and what none of them measures, so that they add up to the points.

    None where that cannot be said: of a part of a site, of several carriers, of uses that share a meter, and where a
    generator or a battery feeds the meters below, so that the difference would be no remainder.
    """
    site = asked.site
    if (
        asked.scope != f"site:{site.site_id}"
        or carriers_of(site, asked.scope) != (Carrier.ELECTRICITY,)
        or _is_fed(asked)
    ):
        return ()
    visible = scopes_of(asked.ask, site)
    wanted = [(name, scope) for name, scope in _parts(asked) if scope in visible]
    if not 0 < len(wanted) <= len(PARTS):
        return ()
    try:
        read = [(name, scope, values_of(asked, scope)) for name, scope in wanted]
    except BadInput:
        # A part without hours of its own: the whole is shown by itself.
        return ()
    found = [Use(named(name), scope, tuple(map(values.get, _starts(points)))) for name, scope, values in read if values]
    if not found:
        return ()
    rest = tuple(_rest(each.value, [use.values[at] for use in found]) for at, each in enumerate(points))
    return (*found, Use(NOT_METERED, "", rest))


def _starts(points: tuple[Point, ...]) -> list[datetime]:
    return [each.start_utc for each in points]


def _parts(asked: Asked) -> list[tuple[str, str]]:
    """Names and scopes of the site's active uses of electricity; without any, of the meters below the main ones."""
    site = asked.site
    uses = [
        each for each in site.seus if each.is_active and not each.is_aggregate and each.carrier == Carrier.ELECTRICITY
    ]
    if uses and not overlapping(uses, site):
        return [(each.name, f"seu:{each.seu_id}") for each in uses]
    below = [site.meter(each) for main in _mains(asked) for each in submeters_of(site, main, asked.period.start)]
    return [(each.name or each.meter_id, f"meter:{each.meter_id}") for each in below if each and has_import(each)]


def _mains(asked: Asked) -> tuple[str, ...]:
    return total_meters(asked.site, Carrier.ELECTRICITY, asked.period.start)


def _is_fed(asked: Asked) -> bool:
    site = asked.site
    below = [site.meter(each) for main in _mains(asked) for each in children_of(site, main, asked.period.start)]
    return any(each is not None and not has_import(each) for each in below)


def _rest(whole: Decimal | None, parts: list[Decimal | None]) -> Decimal | None:
    """What none of the parts measures; unknown where one of them is."""
    total = combine("sum", [(f"part {at}", value) for at, value in enumerate(parts)])
    return combine("difference", [("first", whole), ("second", total)])
