"""What `meterloom enpi` found, as people read it: the answer, the months, what speaks for a second look."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from assets.kpi.enpi.enpi_result import USUAL, performance
from data_quality.contracts.baselines.status_rule import StatusRule
from orchestration.operations.answer import Table
from reports.writer import format_alike, significance, standing_of, words

KWH = "kwh"


def enpi_parts(data: Mapping[str, Any], *, use: str, site: str, rule: StatusRule = USUAL) -> list[Table | str]:
    """Headline, the saving, the baseline behind it, a table of months, then findings, alerts and what was asked for.

    rule: by which the use is judged.
    """
    parts: list[Table | str] = [_headline(data, use, site), *_energy(data), _behind(data), "", _months(data, rule)]
    parts += _looked_at(data)
    if "trend" in data:
        parts += ["", "Quarters by every approved version", _trend(data["trend"], rule)]
    if "what_if" in data:
        parts += ["", *_what_if(data["what_if"])]
    if "mix" in data:
        parts += ["", *_mix(data["mix"])]
    return parts


def _headline(data: Mapping[str, Any], use: str, site: str) -> str:
    first, last = data["start"], date.fromisoformat(data["end"]) - timedelta(days=1)
    about = f"{use}, {site}, {first} to {last}"
    if data["status"] == "not_assessable":
        return f"{about}: not assessable, {words(data['reason'])}"
    return f"{about}: EnPI {data['enpi']:.3f}, {words(standing_of(data['status'], data['performance'])).lower()}"


def _energy(data: Mapping[str, Any]) -> list[str]:
    if not data["baseline_id"]:
        return [f"metered {kwh(data['metered_kwh'])} kWh; nothing to compare it with"]
    actual, expected = (kwh(data[key]) for key in ("actual_kwh", "expected_kwh"))
    deviation = "" if data["deviation_percent"] is None else f" ({data['deviation_percent']:+.1f} %)"
    band = data["uncertainty_kwh"]
    within = "" if band is None else f" ± {kwh(band)} kWh at {data['confidence']:.0%}"
    if data["not_claimed"]:
        saved = f"no saving is claimed: {words(data['not_claimed'])}"
    elif data["savings_kwh"] < 0:
        saved = (
            f"used more than expected by {kwh(-data['savings_kwh'])} kWh{within}, {significance(data['significant'])}"
        )
    else:
        saved = f"saved {kwh(data['savings_kwh'])} kWh{within}, {significance(data['significant'])}"
    lines = [f"metered {actual} kWh, expected {expected} kWh{deviation}", saved]
    if data["adjustment_kwh"]:
        lines.append(f"of the expected energy {kwh(data['adjustment_kwh'])} kWh are approved adjustments")
    return lines


def _behind(data: Mapping[str, Any]) -> str:
    days = f"{data['compared_days']} of {data['days']} days compared, {data['coverage']:.1%} read"
    estimated = f", {data['estimated_share']:.1%} estimated" if data["estimated_share"] else ""
    beyond = f", {data['extrapolated_days']} days beyond the range of the baseline" if data["extrapolated_days"] else ""
    made = "; readings are simulated" if data["is_synthetic"] else ""
    by = f"baseline {data['baseline_id']} v{data['baseline_version']}; " if data["baseline_id"] else ""
    return f"{by}{days}{estimated}{beyond}{made}"


def _months(data: Mapping[str, Any], rule: StatusRule) -> Table:
    rows = [{**month, "said": _standing(month, rule)} for month in data["months"]]
    for key in ("actual_kwh", "expected_kwh"):
        # Sums over the days that were compared: where there was none they are no energies.
        texts = format_alike([row[key] if row["compared_days"] else None for row in rows], KWH)
        for row, text in zip(rows, texts, strict=True):
            row[key] = text
    return Table(
        rows,
        "month: {start:.7} | metered kWh: {actual_kwh} | expected kWh: {expected_kwh} | EnPI: {enpi:.3f|–} | "
        "deviation %: {deviation_percent:+.1f|–} | status: {said} | days compared: {compared_days} of {days}",
    )


def _standing(judged: Mapping[str, Any], rule: StatusRule) -> str:
    """The word that pages and reports have for a span too: its alert level, or that it improved."""
    found = performance(judged["deviation_percent"], warn=rule.warn_percent)
    return words(standing_of(judged["status"], found)).lower()


def _looked_at(data: Mapping[str, Any]) -> list[str]:
    flags = [f"look again: {words(flag)}" for flag in data["review_flags"]]
    findings = [f"{each['severity']}: {each['message']}" for each in data["findings"]]
    alerts = [f"alert, {words(each['kind'])}: {each['message']}" for each in data["alerts"]]
    return [*flags, *findings, *alerts]


def _trend(trend: Sequence[Mapping[str, Any]], rule: StatusRule) -> Table:
    rows = [{**each, "version": f"v{each['baseline_version']}", "said": _standing(each, rule)} for each in trend]
    cells = "quarter: {label} | baseline: {version} | EnPI: {enpi:.3f|–} | status: {said}"
    return Table(rows, cells, empty="no quarter of it was read")


def _what_if(found: Mapping[str, Any]) -> list[str]:
    low, high = found["interval_kwh"]
    asked = ", ".join(f"{each['driver_id']} {_change(each)}" for each in found["changes"])
    share = "" if found["change_percent"] is None else f" ({found['change_percent']:+.1f} %)"
    outside = found["extrapolated_days"] if found["is_extrapolated"] else 0
    return [
        f"What if {asked}: {kwh(found['what_if_kwh'])} kWh instead of {kwh(found['expected_kwh'])} kWh over "
        f"{found['days']} days",
        f"change {kwh(found['change_kwh'], signed=True)} kWh{share}, {kwh(low, signed=True)} to "
        f"{kwh(high, signed=True)} kWh at {found['confidence']:.0%}",
        *([f"{outside} of the days leave the range of the baseline"] if outside else []),
    ]


def _change(each: Mapping[str, Any]) -> str:
    if each["kind"] == "value":
        return f"at {each['size']:g}"
    return f"{each['size']:+g}{' %' if each['kind'] == 'percent' else ' a day'}"


def _mix(found: Mapping[str, Any]) -> list[Table | str]:
    rows = [(name, found["actual_shares"].get(name), share) for name, share in found["reference_shares"].items()]
    enpi = "not known" if found["enpi_at_reference_mix"] is None else f"{found['enpi_at_reference_mix']:.3f}"
    return [
        f"At the reference mix: EnPI {enpi}, metered {kwh(found['actual_at_reference_mix_kwh'])} kWh, expected "
        f"{kwh(found['expected_at_reference_mix_kwh'])} kWh; the mix alone made it "
        f"{kwh(found['mix_effect_kwh'], signed=True)} kWh over {found['days']} days",
        Table(rows, "product: {0} | share: {1:.1%} | reference: {2:.1%}"),
    ]


def kwh(value: float | None, *, signed: bool = False) -> str:
    """An energy as people read it."""
    return format_alike([value], KWH, signed=signed)[0]
