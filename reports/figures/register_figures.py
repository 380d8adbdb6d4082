"""Energy of one register of a meter as figures made from its readings: no row of the marts holds it."""

from collections.abc import Sequence
from datetime import datetime

from assets.kpi.scope_quarters import Energy, register_energy
from assets.sites.scopes import register_scopes
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import REGISTER_KPI, Figure, TraceInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from reports.figure_book import FigureBook
from reports.figures.kpi_list import inputs_of
from reports.recompute.figure_sources import Sources
from reports.recompute.hours import QUARTER

# More days than these are read for no single number.
MOST_DAYS = 3700


def add_energy(
    book: FigureBook,
    site: Site,
    scope: str,
    period: Period,
    energy: Energy,
    *,
    hour_utc: datetime | None = None,
    inputs: Sequence[TraceInput] = (),
) -> Figure:
    """The energy of local days, or of one hour of a day, kWh, at `site/scope/first day or hour/kpi` of the book."""
    start, end = str(period.start), str(period.end)
    named = {"site": site.site_id, "scope": scope, "kpi": REGISTER_KPI, "start": start, "end": end}
    place = f"{start}~{end}"
    if hour_utc is not None:
        named["hour_start_utc"] = f"{hour_utc.replace(minute=0):%Y-%m-%dT%H:%MZ}"
        place = f"{named['hour_start_utc']}~{start}"
    return book.add(
        f"{site.site_id}/{scope}/{place}/{REGISTER_KPI}",
        energy.kwh,
        label=f"Energy of {scope}",
        kpi=REGISTER_KPI,
        scope=scope,
        start=period.start,
        end=period.end,
        unit="kwh",
        computation=QUARTER,
        parameters=named,
        inputs=inputs,
        status="no_readings" if energy.kwh is None else "",
        coverage=energy.coverage,
        estimated_share=energy.estimated_share,
        findings=() if energy.kwh is None else energy.codes,
    )


def register_figure(
    book: FigureBook, site: Site, scope: str, period: Period, at_utc: datetime | None, sources: Sources
) -> Figure:
    """The energy of local days, or of the hour of their first that begins then, with all its inputs.

    Raises BadInput (no_number) for what is no register, for too many days, and where nothing was read.
    """
    if scope not in register_scopes(site):
        raise _none(f"{scope} is no register with readings of its own")
    if period.days > MOST_DAYS:
        raise _none(f"{period.label} is longer than {MOST_DAYS} days")
    meters = sources.meters(site, scope)
    readings = sources.stream_readings(site, meters, period.start, period.end, book.as_of_utc)
    found = register_energy(site, scope, period, readings, "" if at_utc is None else "hour")
    energy = next((each for at, each in found.items() if at_utc is None or at.replace(minute=0) == at_utc), None)
    if energy is None or energy.kwh is None:
        raise _none(f"nothing was read of {scope} in {period.start}/{period.end}")
    book.is_synthetic = book.is_synthetic or sources.has_synthetic(site, period, book.as_of_utc)
    row = {"kpi": REGISTER_KPI, "scope": scope, "period_start": period.start, "period_end": period.end}
    # No SQL makes it.
    inputs = [each for each in inputs_of(site, row, sources, book.as_of_utc) if each.role != "definition"]
    return add_energy(book, site, scope, period, energy, hour_utc=at_utc, inputs=inputs)


def _none(what: str) -> BadInput:
    return BadInput(what, reason="no_number")
