"""`meterloom baseline best`: a baseline for each of several years, and the best of them. Nothing is stored."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from assets.stores.ledgers.year_rules import YearRules
from data_quality.contracts.baselines.baseline import YearRule, YearRuleRecord, YearSpan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Role
from data_quality.contracts.sentence import Sentence
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table, finding_lines
from orchestration.operations.baselines.baseline_options import Files, ModelOption, dates_of
from orchestration.operations.operation import PROJECT, READS, Call, Option, operation
from orchestration.operations.signing import actor

if TYPE_CHECKING:
    from ml.baselines.savings.best_of_years import BestOfYears, Span
    from ml.baselines.usage_tables.usage_table import Usage


RULE = "best_of: the year whose baseline asks the least energy under the conditions of the reporting period"
YEARS = (
    "year: {name} | eligible: {may} | model: {model:|-} | expected kWh: {expected_kwh:,.0f} | EnPI: {enpi:.1f} "
    "| band: {band} | verdict: {verdict_words} | best: {star}"
)


@operation(
    "baseline best",
    takes=READS,
    example="--energy meter.csv --weather weather.csv --train 2022-01-01/2023-01-01 --train 2023-01-01/2024-01-01 "
    "--report 2024-01-01/2025-01-01 --tz Europe/Berlin --json",
)
def best(
    call: Call,
    files: Files,
    report: Annotated[str, Option("Reporting period START/END, local dates, END excluded.")],
    train: Annotated[list[str] | None, Option("A baseline year START/END, END excluded. Repeatable.")] = None,
    years: Annotated[str | None, Option("Calendar years to train on: 2022,2023.")] = None,
    site: Annotated[str | None, Option("A site of the project, with --seu.")] = None,
    seu: Annotated[str | None, Option("A significant energy use of a site: SEU, or SITE/SEU.")] = None,
    model: ModelOption = "auto",
    confidence: Annotated[float, Option("Of the intervals, 0.68 to 0.99.")] = 0.9,
) -> Answer:
    """Fit one baseline a year, judge a period by each, and by the year that asks the least energy.

    EnPI is an index: 100 is as the year expects. The band of the best year knows that it was chosen. Years that
    contradict each other are named first.
    """
    from ml.baselines.savings.best_of_years import best_of_years, check_spans

    if (seu is None) == (files.energy is None):
        raise BadInput("give --energy FILE, or --seu SEU of a project", reason="bad_request")
    spans, span = spans_of(train, years), dates_of(report, "--report")
    check_spans(spans, span, confidence)
    approved: dict[str, Any] | None = None
    named: list[Finding] = []
    if seu is None:
        usage = replace(files, frequency=files.frequency or "daily").usage()
    elif files == Files():
        known, use = use_named(call, site, seu)
        usage = _use_of(call, known, use, spans, span)
        approved, named = _approved(call, known, use, spans, span)
    else:
        raise BadInput("--seu goes with no file: readings and drivers are those of the project", reason="bad_request")
    today = (call.as_of_utc or call.clock.now_utc()).date()
    found = best_of_years(usage, trains=spans, report=span, model=model, confidence=confidence, today=today)
    found = replace(found, findings=(*found.findings, *named))
    result = best_data(found, unit=usage.unit) | {"approved": approved}
    rows = [{**row, "train": year.train} for row, year in zip(result["years"], found.years, strict=True)]
    return Answer(result, (*_warnings(found), _table(rows, found), _headline(found)), exit_code=_code(found))


def spans_of(train: Sequence[str] | None, years: str | None) -> "list[Span]":
    """The training years of both options, in the order of time. Raises BadInput."""
    spans = [dates_of(part, "--train") for text in train or () for part in text.split(",")]
    for text in (years or "").split(",") if years else ():
        if not (text.strip().isdigit() and 1900 <= int(text) <= 2200):
            raise BadInput(f"--years {years!r}: expected calendar years, for instance 2022,2023", reason="bad_period")
        spans.append((date(int(text), 1, 1), date(int(text) + 1, 1, 1)))
    if not spans:
        raise BadInput("expected --train START/END or --years YEAR,YEAR", reason="bad_period")
    return sorted(spans)


def use_named(call: Call, site: str | None, seu: str) -> tuple[Site, Seu]:
    """The site and the use. Raises BadInput where none or several are meant."""
    from reports.recompute.figure_sources import seu_of

    before, slash, name = seu.rpartition("/")
    if slash or site is not None:
        known = call.project.site(before if slash else site or "")
        return known, seu_of(known, name)
    found = [(known, use) for known in call.project.sites.values() for use in known.seus if use.seu_id == seu]
    if len(found) == 1:
        return found[0]
    which = ", ".join(known.site_id for known, _ in found)
    what = f"several sites have a use {seu!r} ({which})" if found else f"no site has a use {seu!r}"
    raise BadInput(what, reason="unknown_seu", mend="name one: --seu SITE/SEU" if found else "")


def _use_of(call: Call, site: Site, seu: Seu, spans: "Sequence[Span]", report: "Span") -> "Usage":
    from ml.baselines.lifecycle.uses_task import usage_of_days

    as_of_utc = call.as_of_or_now
    # One table from the first year to the end of the reporting period: a change of use lies between them too.
    period = Period(label="", start=min(start for start, _ in spans), end=report[1], time_zone=site.time_zone)
    return usage_of_days(call.sources.days(site, seu.seu_id, period, as_of_utc), site=site, seu=seu)


def _approved(
    call: Call, site: Site, seu: Seu, spans: "Sequence[Span]", report: "Span"
) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The rule that was approved for the period, and the caveat where it is not the one asked for."""
    from assets.stores.ledgers.year_rules import YearRules

    rule = year_rule(site, seu, spans, report)
    found = YearRules(call.project.store).of(rule, as_of_utc=call.as_of_utc)
    return None if found is None else record_data(found), rule_findings_of(rule, found)


def year_rule(site: Site, seu: Seu, spans: "Sequence[Span]", report: "Span") -> YearRule:
    """The rule that a request names."""
    return YearRule(
        site_id=site.site_id,
        seu_id=seu.seu_id,
        trains=tuple(YearSpan(start=start, end=end) for start, end in spans),
        report=YearSpan(start=report[0], end=report[1]),
    )


def record_data(found: YearRuleRecord) -> dict[str, Any]:
    """A record with the keys of the contract."""
    return {"name": found.rule.rule, **found.model_dump(exclude={"rule"}), **found.rule.model_dump(exclude={"rule"})}


def rule_findings_of(rule: YearRule, found: YearRuleRecord | None) -> list[Finding]:
    """Findings where a period is judged by a rule that nobody approved before, or by another one."""
    if found is None:
        message = "Nobody approved a rule for this reporting period while it ran: its years are chosen afterwards."
        return [Finding(code="rule_not_named", message=message)]
    if set(found.rule.trains) == set(rule.trains):
        return []
    years = ", ".join(f"{each.start}/{each.end}" for each in found.rule.trains)
    message = Sentence("The rule that {0} approved for this period names other years: {1}.", found.approved_by, years)
    return [Finding(code="other_rule_approved", message=message, severity="blocking")]


def best_data(found: "BestOfYears", *, unit: str) -> dict[str, Any]:
    """All years and the best one with the keys of the contract; numbers are null where there is none."""
    from ml.baselines.savings.best_of_years import year_label

    return {
        "rule": RULE,
        "unit": unit,
        "report": {"start": found.report[0], "end": found.report[1]},
        "confidence": found.confidence,
        "years": [
            {
                "train": {"start": year.train[0], "end": year.train[1]},
                "eligible": year.eligible,
                "reason": year.reason,
                "model": year.model,
                "expected_kwh": year.expected_kwh,
                "enpi": year.enpi,
                "interval": _list(year.interval),
                "verdict": year.verdict,
                "findings": year.findings,
            }
            for year in found.years
        ],
        "best": None if found.best is None else year_label(found.years[found.best].train),
        "actual_kwh": found.actual_kwh,
        "enpi": found.enpi,
        "interval": _list(found.interval),
        "interval_uncorrected": _list(found.uncorrected),
        "verdict": found.verdict,
        "verdicts_agree": found.verdicts_agree,
        "rivals": found.rivals,
        "coverage": found.coverage,
        "findings": found.findings,
    }


def _list(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else list(interval)


def _code(found: "BestOfYears") -> int:
    return CHECK_FAILED if found.best is None else DONE


def _warnings(found: "BestOfYears") -> list[str]:
    """Contradictions and blocking findings, which stand before any figure."""
    return [*finding_lines(found.findings, ""), ""] if found.findings else []


def _table(rows: Sequence[dict[str, Any]], found: "BestOfYears") -> Table:
    from ml.baselines.savings.best_of_years import year_label

    star = None if found.best is None else found.years[found.best].train
    return Table(
        rows,
        YEARS,
        name=lambda row: year_label(row["train"]),
        may=lambda row: "yes" if row["eligible"] else f"no: {row['reason']}",
        band=lambda row: "-" if row["interval"] is None else f"{row['interval'][0]:.1f} to {row['interval'][1]:.1f}",
        verdict_words=lambda row: "-" if row["verdict"] is None else _verdict_text(row["verdict"]),
        star=lambda row: "yes" if row["train"] == star else "",
    )


def _verdict_text(verdict: str) -> str:
    """A verdict in words."""
    return verdict.replace("_", " ")


def _headline(found: "BestOfYears") -> str:
    from ml.baselines.savings.best_of_years import year_label

    if found.best is None or found.interval is None or found.uncorrected is None or found.verdict is None:
        return "no year is eligible: nothing is judged"
    low, high = found.interval
    lines = [
        f"best of: {year_label(found.years[found.best].train)}, EnPI {found.enpi:.1f} (100 is as expected), "
        f"{low:.1f} to {high:.1f} at {found.confidence:.0%} corrected for the choice: {_verdict_text(found.verdict)}",
        f"  its own band, uncorrected: {found.uncorrected[0]:.1f} to {found.uncorrected[1]:.1f}; "
        f"{found.rivals} of the years do not differ from it; {found.coverage:.1%} of the period compared",
    ]
    events = [
        f"  {year_label(year.train)}: {each.code}: {each.message}"
        for year in found.years
        for each in year.findings
        if each.is_blocking
    ]
    return "\n".join([*lines, *events])


@operation(
    "baseline rule",
    takes=(*PROJECT, "person_"),
    example="--seu factory/compressors --years 2024,2025 --report 2026-01-01/2027-01-01 --as anna "
    '--reason "as the board decided"',
)
def approve_rule(
    call: Call,
    seu: Annotated[str, Option("A significant energy use: SEU, or SITE/SEU.")],
    report: Annotated[str, Option("Reporting period START/END that is not over.")],
    reason: Annotated[str, Option("Why these years.")],
    train: Annotated[list[str] | None, Option("A baseline year START/END. Repeatable.")] = None,
    years: Annotated[str | None, Option("Calendar years to train on: 2024,2025.")] = None,
    site: Annotated[str | None, Option("Of the use.")] = None,
) -> Answer:
    """Approve, as a named person, by which baseline years a reporting period will be judged; once, before it ends."""
    from ml.baselines.savings.best_of_years import check_spans

    who = actor(call, Role.APPROVER)
    spans, span = spans_of(train, years), dates_of(report, "--report")
    check_spans(spans, span)
    known, use = use_named(call, site, seu)
    wanted = year_rule(known, use, spans, span)
    with call.project.store.together():
        kept = YearRules(call.project.store).approve(
            wanted, who.person, reason, call.clock, time_zone=known.time_zone
        )  # fmt: skip
        who.sign("baseline rule", f"{known.site_id}/{use.seu_id}", rule=wanted.model_dump(mode="json"))
    named_years = ", ".join(f"{each.start}/{each.end}" for each in wanted.trains)
    text = f"{known.site_id}/{use.seu_id}, {span[0]}/{span[1]}: best of {named_years}, approved by {kept.approved_by}"
    return Answer({"rule": record_data(kept)}, text=text)
