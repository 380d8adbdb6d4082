"""`meterloom export espi`: readings of a site as Green Button, with a signed manifest beside the file."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import plain
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import READS_AND_ACTS, Call, Option, Written, operation
from orchestration.operations.options import AnyPeriodOption, SiteOption, period_or_none
from orchestration.operations.readings.meters import readings_digest
from orchestration.operations.signing import pack_signer

if TYPE_CHECKING:
    import polars as pl

    from reports.exports.espi_channels import Channel

POINTS = Table(
    "usage_points", "meter | register | intervals | from: {start_utc} | to: {end_utc} | sum: {sum:,.3f|-} {unit}"
)


@operation("export espi", takes=READS_AND_ACTS, example="--site factory --period 2025 --to factory_2025.xml")
def export_espi(
    call: Call,
    site: SiteOption,
    to: Annotated[Path, Written("The file; its manifest is written beside it.", metavar="FILE")],
    period: AnyPeriodOption = None,
    meter: Annotated[list[str] | None, Option("Only these meters.")] = None,
    registers: Annotated[bool, Option("States of cumulative registers, instead of amounts.")] = False,
    cost: Annotated[bool, Option("With what each interval of the main meter costs.")] = False,
) -> Answer:
    """Write readings as Green Button (ESPI): usage points, intervals as delivered, quality codes, local time.

    Values are exact. Levels, such as temperatures, have no unit there and are counted as left out. Costs are those of
    the site's dated tariffs, fixed amounts laid evenly over the bill's time.
    """
    from reports.exports.espi_channels import qualities

    known = call.project.site(site)
    span = period_or_none(period, known)
    meters = _meters(known, meter)
    call.doing("reading")
    if registers and cost:
        raise BadInput("states of counters cost nothing; give --registers or --cost", reason="bad_request")
    if registers:
        channels, left, updated, digest = _states(call, known, meters, span)
    else:
        channels, left, updated = _amounts(call, known, meters, span, with_cost=cost)
        digest = readings_digest(call, known, period)
    if not channels:
        what = "no states of cumulative registers" if registers else "no readings with a unit that ESPI has"
        raise BadInput(f"site {known.site_id!r} has {what} in this span", reason="no_readings")
    points = [_point(each) for each in channels]
    result: dict[str, Any] = {
        "usage_points": points,
        "intervals": sum(point["intervals"] for point in points),
        "sum_kwh": _sum_kwh(channels),
        "qualities": {str(code): count for code, count in qualities(channels).items()},
        "left_out": left,
        "synthetic_readings": sum(each.synthetic for each in channels),
    }
    result |= _written(call, known, to, channels, updated, digest, result)
    total = "no sum" if result["sum_kwh"] is None else f"{result['sum_kwh']:,.3f} kWh"
    text = f"{to}: {len(points)} registers, {result['intervals']:,} intervals, {total}"
    text += "".join(f"\nleft out: {count:,} rows, {reason}" for reason, count in left.items())
    if not result["is_clock_exact"]:
        text += f"\nno rule says when {known.time_zone} changes its clock; the readings' times are of UTC and exact"
    if result["synthetic_readings"]:
        text += f"\n{result['synthetic_readings']:,} readings are synthetic; title and manifest say so"
    return Answer(result, POINTS, text)


def _meters(site: Site, wanted: list[str] | None) -> list[str]:
    known = [each.meter_id for each in site.meters]
    unknown = [each for each in wanted or () if each not in known]
    if unknown:
        raise BadInput(f"{unknown[0]!r} is no meter of {site.site_id}: {', '.join(known)}", reason="unknown_meter")
    # Virtual meters are sums of the others: who asks for all does not want them twice.
    return wanted or [each.meter_id for each in site.meters if not each.is_virtual]


def _amounts(
    call: Call, site: Site, meters: list[str], span: Period | None, *, with_cost: bool
) -> tuple[list["Channel"], dict[str, int], datetime]:
    from assets.sites.view import site_readings
    from reports.exports.espi_channels import amounts

    readings = site_readings(
        call.project.lake,
        site,
        start_utc=span.start_utc if span else None,
        end_utc=span.end_utc if span else None,
        as_of_utc=call.as_of_utc,
        meters=meters,
    )
    channels, left = amounts(site, readings, _costs(call, site, readings) if with_cost else None)
    return channels, left, _newest(readings["recorded_at_utc"])


def _costs(call: Call, site: Site, readings: "pl.DataFrame") -> tuple[str, "pl.DataFrame"] | None:
    """The site's main meter and what each of its quarter hours costs. Raises BadInput where no one meter is billed."""
    from assets.kpi.mart_windows import Window
    from assets.kpi.running_cost.interval_costs import interval_costs, main_meters
    from reports.exports.espi_channels import CURRENCIES

    mains, days = main_meters(site), readings["interval_start_utc"].dt.date()
    first, last = days.min(), days.max()
    if len(mains) != 1 or site.currency not in CURRENCIES:
        why = f"ESPI has no {site.currency}" if len(mains) == 1 else f"its tariff is of {len(mains)} main meters"
        raise BadInput(f"the cost of an interval of {site.site_id!r} cannot be stated: {why}", reason="no_cost")
    if not isinstance(first, date) or not isinstance(last, date):
        return None
    window = Window(site_id=site.site_id, first=first - timedelta(days=1), after=last + timedelta(days=2))
    return mains[0], interval_costs(site, call.project.lake, [window], as_of_utc=call.as_of_utc)


def _states(
    call: Call, site: Site, meters: list[str], span: Period | None
) -> tuple[list["Channel"], dict[str, int], datetime, str]:
    import polars as pl

    from assets.readings.cumulative.register_join import applying_events
    from assets.stores.ledgers.register_reads import RegisterReadStore
    from reports.exports.espi_channels import NO_UNIT, states

    if call.as_of_utc is not None:
        raise BadInput("--registers gives the states known now; leave out --as-of", reason="bad_request")
    store, channels, left = RegisterReadStore(call.project.store), list["Channel"](), dict[str, int]()
    newest, digest = datetime(1970, 1, 1, tzinfo=UTC), hashlib.sha256()
    events = applying_events(site, call.project.lake, clock=None)
    for series, is_synthetic in store.known_series(site.site_id):
        meter = site.meter(series[0])
        register = next((each for each in meter.registers if each.register_id == series[1]), None) if meter else None
        if series[0] not in meters or meter is None or register is None:
            continue
        reads = store.every(site.site_id, series, is_synthetic=is_synthetic)
        if span is not None:
            reads = reads.filter(pl.col("at_utc").is_between(span.start_utc, span.end_utc))
        of_register = states(meter, register, reads, events.get(series[:2], ()), is_synthetic=is_synthetic)
        if of_register:
            channels += of_register
            newest = max(newest, _newest(reads["at_utc"]))
            digest.update(reads.with_columns(pl.lit(is_synthetic).alias("is_synthetic")).write_csv().encode())
        elif reads.height:
            left[NO_UNIT] = left.get(NO_UNIT, 0) + reads.height
    return channels, left, newest, digest.hexdigest()


def _sum_kwh(channels: list["Channel"]) -> Decimal | None:
    """Control sum of all active energy; None where the states of one register tell none."""
    known = [each.total for each in channels if each.unit == "kwh"]
    sums = [each for each in known if each is not None]
    return sum(sums, Decimal(0)) if len(sums) == len(known) else None


def _newest(times: "pl.Series") -> datetime:
    found = times.max()
    return found if isinstance(found, datetime) else datetime(1970, 1, 1, tzinfo=UTC)


def _point(channel: "Channel") -> dict[str, Any]:
    from reports.exports.espi_channels import span

    first_last = span([channel])
    return {
        "meter": channel.meter.meter_id,
        "register": channel.register,
        "part": channel.part,
        "unit": channel.unit,
        "intervals": channel.intervals.height,
        "sum": channel.total,
        "cost": channel.cost,
        "start_utc": first_last[0] if first_last else None,
        "end_utc": first_last[1] if first_last else None,
    }


def _written(
    call: Call,
    site: Site,
    to: Path,
    channels: list["Channel"],
    updated: datetime,
    digest: str,
    holds: dict[str, Any],
) -> dict[str, Any]:
    """Write file and manifest; path, digest and size of both."""
    from orchestration.operations.exports.export_file import write_export
    from reports.exports.espi_channels import span
    from reports.exports.espi_document import document
    from reports.exports.summer_time import local_time

    first, last = span(channels) or (updated, updated)
    clock = local_time(site.time_zone, first.year, last.year)
    # An exact sum: a float of the JSON would not be.
    points = [
        plain({name: f"{each:f}" if isinstance(each, Decimal) else each for name, each in point.items()})
        for point in holds["usage_points"]
    ]
    facts = {"is_clock_exact": clock.is_exact}
    call.doing("writing")
    return facts | write_export(
        to,
        document(site.site_id, channels, clock=clock, zone=site.time_zone, updated_utc=updated),
        pack_signer(call),
        format="espi",
        site_id=site.site_id,
        start_utc=first,
        end_utc=last,
        as_of_utc=call.as_of_utc,
        source_sha256=digest,
        synthetic_readings=holds["synthetic_readings"],
        holds={"usage_points": points} | facts | {each: holds[each] for each in ("intervals", "qualities", "left_out")},
    )
