"""A circuit's energy over a span by class: campaign, described loads, bands, confidence and what is not known."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.disaggregation import (
    WEEKDAYS,
    ClassEnergy,
    ClassInterval,
    ClassWeek,
    Disaggregation,
    LoadSignature,
    Mode,
    finding_of,
    label_of,
)
from ml.disaggregation.campaign import Campaign, TrainedClass, estimate_campaign, reconciled
from ml.disaggregation.circuit import Circuit, Mask
from ml.disaggregation.circuit_features import Matrix, features
from ml.disaggregation.class_model import Estimate
from ml.features.series import Vector

# A day of the report further than this from every training day is of another season.
SEASON_DAYS, YEAR_DAYS = 45, 366
# Days whose energy is so far outside that of the training days are of another load, and so many days may be.
BEYOND, FEW_DAYS = 0.2, 0.1
# An extrapolated class is never more sure than this.
EXTRAPOLATED = 0.4
# A description is no measurement: its energy may be half as much more or less, and its confidence stays low.
HALF_WIDTH, CONFIDENCE = 0.5, 0.3


def disaggregate(
    circuit: Circuit,
    report_utc: tuple[datetime, datetime],
    *,
    campaign: Campaign | None = None,
    loads: Sequence[LoadSignature] = (),
    matrix: Matrix | None = None,
) -> Disaggregation:
    """Energy by class of the report span. Raises BadInput for a span without readings or a name that appears twice."""
    span = expect_readings(circuit, report_utc)
    whole = circuit.kwh[span]
    trained = campaign.classes if campaign else ()
    twice = {each.spec.name for each in trained} & {load.name for load in loads}
    if twice:
        raise BadInput(
            f"{min(twice)!r} has a sub-meter and a description; expected one of them", reason="described_twice"
        )
    found: dict[str, Estimate] = {}
    if campaign is not None:
        found = estimate_campaign(campaign, circuit, span, features(circuit) if matrix is None else matrix)
    held = _sum(found, whole)
    described = estimate_signatures(loads, circuit, span, np.maximum(whole - held, 0.0))
    far = None if campaign is None else extrapolation(circuit, campaign, span)
    weeks = len(whole[np.isfinite(whole)]) / (7 * circuit.per_day)
    classes = [_taught(each, found.get(each.spec.name), whole, weeks, circuit, far) for each in trained]
    classes += [_described(name, each, whole, circuit) for name, each in described.items()]
    found |= described
    names = [each.name for each in classes]
    return Disaggregation(
        zone=circuit.zone,
        start_utc=circuit.instant(span.start),
        end_utc=circuit.instant(span.stop),
        circuit_kwh=float(np.nansum(whole)),
        rest_kwh=float(np.nansum(whole - _sum(found, whole))),
        classes=tuple(classes),
        weeks=tuple(_weeks(trained, found, circuit, span)),
        rows=tuple(_rows(names, found, circuit, span)),
        digest=_digest(circuit, campaign, loads, span),
        findings=tuple(_findings(campaign, loads, whole, far)),
    )


def expect_readings(circuit: Circuit, report_utc: tuple[datetime, datetime]) -> slice:
    """Steps of the report span. Raises BadInput where none has a reading."""
    span = circuit.span(*report_utc)
    if not np.isfinite(circuit.kwh[span]).any():
        raise BadInput("the report span has no reading of the circuit", reason="no_readings")
    return span


def extrapolation(circuit: Circuit, campaign: Campaign, span: slice) -> Finding | None:
    """Finding where the span leaves the seasons or the daily energies of the training; None where it does not."""
    civil = circuit.civil
    taught, days = np.unique(civil.day[: len(circuit.kwh)][campaign.train]), np.unique(civil.day[span])
    of_year = np.array(
        [(civil.first_day + timedelta(days=int(day))).timetuple().tm_yday for day in range(days[-1] + 1)]
    )
    distance = np.abs(of_year[days][:, None] - np.unique(of_year[taught])[None, :])
    distant = int((np.minimum(distance, YEAR_DAYS - distance).min(axis=1) > SEASON_DAYS).sum())
    daily = _by_day(circuit, slice(0, len(circuit.kwh)))
    known = daily[taught][np.isfinite(daily[taught])]
    values = daily[days][np.isfinite(daily[days])]
    outside = 0
    if len(known) and len(values):
        low, high = (1 - BEYOND) * known.min(), (1 + BEYOND) * known.max()
        outside = int(((values < low) | (values > high)).sum())
    if distant <= FEW_DAYS * len(days) and outside <= FEW_DAYS * len(values):
        return None
    return finding_of("extrapolated", days=len(days), season_days=distant, load_days=outside)


def _by_day(circuit: Circuit, span: slice) -> Vector:
    """Energy by local day, kWh; NaN for a day with less than nine tenths of its steps."""
    day, kwh = circuit.civil.day[span], circuit.kwh[span]
    count = np.bincount(day, np.isfinite(kwh))
    total = np.bincount(day, np.nan_to_num(kwh))
    found: Vector = np.where(count >= 0.9 * circuit.per_day, total, np.nan)
    return found


def _sum(found: dict[str, Estimate], whole: Vector) -> Vector:
    return sum((each.kwh for each in found.values()), np.zeros(len(whole)))


def _taught(
    each: TrainedClass, found: Estimate | None, whole: Vector, weeks: float, circuit: Circuit, far: Finding | None
) -> ClassEnergy:
    f1 = None if each.model is None else each.model.f1
    if found is None:
        return _class(each.spec.name, "campaign", estimable=False, extrapolated=far is not None)
    kwh, total = float(np.nansum(found.kwh)), float(np.nansum(whole))
    half = None if each.band is None else each.band.half_width_kwh(weeks)
    confidence = 0.0 if half is None or kwh <= 0 else max(1 - half / kwh, 0.0)
    confidence *= 1.0 if f1 is None else f1
    return _class(
        each.spec.name,
        "campaign",
        kwh=kwh,
        share=kwh / total if total else None,
        interval_kwh=None if half is None else (max(kwh - half, 0.0), min(kwh + half, total)),
        confidence=min(confidence, EXTRAPOLATED) if far else confidence,
        extrapolated=far is not None,
        on_seconds=_on_seconds(found, circuit),
        f1_held_out=f1,
    )


def _described(name: str, found: Estimate, whole: Vector, circuit: Circuit) -> ClassEnergy:
    kwh, total = float(np.nansum(found.kwh)), float(np.nansum(whole))
    return _class(
        name,
        "signature",
        kwh=kwh,
        share=kwh / total if total else None,
        interval_kwh=(kwh * (1 - HALF_WIDTH), min(kwh * (1 + HALF_WIDTH), total)),
        confidence=CONFIDENCE,
        on_seconds=_on_seconds(found, circuit),
    )


def _class(name: str, mode: Mode, **known: object) -> ClassEnergy:
    absent = dict.fromkeys(("kwh", "share", "interval_kwh", "on_seconds", "f1_held_out"))
    given = absent | {"confidence": 0.0, "estimable": True, "extrapolated": False} | known
    label = label_of(float(str(given["confidence"])))
    return ClassEnergy.model_validate({"name": name, "mode": mode, "confidence_label": label, **given})


def _on_seconds(found: Estimate, circuit: Circuit) -> int:
    return round(int((found.is_on & np.isfinite(found.kwh)).sum()) * circuit.step.total_seconds())


def _weeks(
    trained: Sequence[TrainedClass], found: dict[str, Estimate], circuit: Circuit, span: slice
) -> Iterator[ClassWeek]:
    """Whole local weeks of classes that have a band."""
    week = circuit.week[span]
    whole = circuit.kwh[span]
    for number in np.unique(week):
        inside = week == number
        # Nine tenths: a week of 167 hours is whole, one with a day's gap is not.
        if np.isfinite(whole[inside]).sum() < 0.9 * 7 * circuit.per_day:
            continue
        start = circuit.instant(span.start + int(np.argmax(inside)))
        for each in trained:
            if each.band is None or each.spec.name not in found:
                continue
            kwh = float(np.nansum(found[each.spec.name].kwh[inside]))
            half = each.band.half_width_kwh(1)
            band = (max(kwh - half, 0.0), min(kwh + half, float(np.nansum(whole[inside]))))
            yield ClassWeek(start_utc=start, name=each.spec.name, kwh=kwh, interval_kwh=band)


def _rows(names: Sequence[str], found: dict[str, Estimate], circuit: Circuit, span: slice) -> Iterator[ClassInterval]:
    is_known = np.isfinite(circuit.kwh[span])
    for place, known in enumerate(is_known.tolist()):
        start = circuit.instant(span.start + place)
        for name in names:
            each = found.get(name)
            if each is None or not known:
                yield ClassInterval.model_construct(start_utc=start, name=name, kwh=None, on=None)
            else:
                yield ClassInterval.model_construct(
                    start_utc=start, name=name, kwh=float(each.kwh[place]), on=bool(each.is_on[place])
                )


def _digest(circuit: Circuit, campaign: Campaign | None, loads: Sequence[LoadSignature], span: slice) -> str:
    parts: list[Any] = [circuit.kwh, *circuit.beside.values(), *circuit.submeters.values()]
    texts = [circuit.start_utc.isoformat(), str(circuit.step), str(span), circuit.zone]
    texts += [load.model_dump_json() for load in loads]
    if campaign is not None:
        parts.append(campaign.train)
        texts += [each.spec.model_dump_json() for each in campaign.classes]
    return hashlib.sha256(
        b"".join([*(part.tobytes() for part in parts), *(text.encode() for text in texts)])
    ).hexdigest()


def _findings(
    campaign: Campaign | None, loads: Sequence[LoadSignature], whole: Vector, far: Finding | None
) -> list[Finding]:
    found = [] if campaign is None else list(campaign.findings)
    found += [] if far is None else [far]
    gaps = int(np.isnan(whole).sum())
    if gaps:
        found.append(finding_of("gaps", "info", intervals=gaps, of=len(whole)))
    if campaign and any(each.model and each.band is None for each in campaign.classes):
        found.append(finding_of("no_band"))
    if loads:
        found.append(finding_of("described_loads", "info", loads=", ".join(load.name for load in loads)))
    return found


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
