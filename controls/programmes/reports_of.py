"""Reports of a virtual end node about energy: usage, demand and baseline of an event or of a period (OpenADR 3)."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from controls.programmes.openadr3 import Interval, IntervalPeriod, Report, ReportDescriptor, ReportResource, Values


class Amount(NamedTuple):
    """Energy of one interval; None: not read, or no baseline. is_estimated: not every reading of it was read."""

    start_utc: datetime
    end_utc: datetime
    kwh: float | None
    is_estimated: bool = False


class PayloadSpec(NamedTuple):
    """A payload type of the published list with its unit, and what it is made of."""

    payload_type: str
    units: str
    is_power: bool = False


USAGE, DEMAND, BASELINE = (
    PayloadSpec("USAGE", "KWH"),
    PayloadSpec("DEMAND", "KW", is_power=True),
    PayloadSpec("BASELINE", "KWH"),
)


def energy_report(
    spec: PayloadSpec,
    amounts: Sequence[Amount],
    *,
    event_id: str,
    ven_name: str,
    resource: str,
    programme_id: str = "",
    period: str = "",
) -> Report:
    """One payload type of one resource. Intervals without a value are left out: there is no word for unknown.

    Demand is the mean power of an interval. programme_id: of OpenADR 3.0 alone. period: the part of an event that
    the report is of, so that another part's is another report; empty: the whole.
    """
    known = [each for each in amounts if each.kwh is not None]
    intervals = tuple(_interval(number, each, spec) for number, each in enumerate(known))
    reading = "ESTIMATED" if spec is BASELINE or any(each.is_estimated for each in known) else "DIRECT_READ"
    return Report(
        programme_id=programme_id or None,
        event_id=event_id,
        client_name=ven_name,
        report_name=f"{spec.payload_type} {period}".rstrip(),
        payload_descriptors=(
            ReportDescriptor(payload_type=spec.payload_type, reading_type=reading, units=spec.units),
        ),
        resources=(ReportResource(resource_name=resource, intervals=intervals),),
    )  # fmt: skip


def _interval(number: int, amount: Amount, kind: PayloadSpec) -> Interval:
    length = amount.end_utc - amount.start_utc
    value = amount.kwh or 0.0
    value = value / (length.total_seconds() / 3600) if kind.is_power else value
    period = IntervalPeriod(start=amount.start_utc, duration=length)
    return Interval(id=number, interval_period=period, payloads=(Values(type=kind.payload_type, values=(value,)),))
