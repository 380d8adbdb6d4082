"""Signature mode: loads described by rating, duty and schedule, where no sub-meter ever was. Weaker by its nature."""

from collections.abc import Sequence

import numpy as np

from data_quality.contracts.reporting.disaggregation import WEEKDAYS, LoadSignature
from ml.disaggregation.circuit import Circuit, Mask
from ml.disaggregation.class_model import Estimate
from ml.disaggregation.reconcile import reconciled
from ml.features.series import Vector

# A description is no measurement: its energy may be half as much more or less, and its confidence stays low.
HALF_WIDTH, CONFIDENCE = 0.5, 0.3


def estimate_signatures(
    loads: Sequence[LoadSignature], circuit: Circuit, span: slice, left_kwh: Vector
) -> dict[str, Estimate]:
    """Estimates of described loads within what other classes leave of the circuit. left_kwh: of the steps of span."""
    if not loads:
        return {}
    running = [_within(load, circuit, span) for load in loads]
    described = [
        np.where(is_on, load.rating_kw * load.duty * circuit.hours, 0.0)
        for load, is_on in zip(loads, running, strict=True)
    ]
    # What is described as more is as much less sure.
    shares = reconciled(described, [each**2 for each in described], left_kwh, is_whole=False)
    return {load.name: Estimate(kwh, is_on) for load, kwh, is_on in zip(loads, shares, running, strict=True)}


def _within(load: LoadSignature, circuit: Circuit, span: slice) -> Mask:
    """Steps that begin within the hours of a load; hours past midnight belong to the day that they began on."""
    minute, weekday = circuit.civil.minute[span], circuit.civil.weekday[span]
    since, until = (each.hour * 60 + each.minute for each in (load.since, load.until))
    days = [WEEKDAYS.index(day) + 1 for day in load.days]
    today = np.isin(weekday, days)
    if since == until:
        return today
    if since < until:
        return today & (minute >= since) & (minute < until)
    yesterday = np.isin((weekday - 2) % 7 + 1, days)
    return (today & (minute >= since)) | (yesterday & (minute < until))
