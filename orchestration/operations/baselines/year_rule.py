"""`meterloom baseline rule`: the rule by which a reporting year will be judged, approved before the year is over."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from assets.stores.ledgers.year_rules import YearRules
from data_quality.contracts.baselines.year_rule import YearRule, YearRuleRecord, YearSpan
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.site import Seu, Site
from orchestration.operations.answer import Answer
from orchestration.operations.baselines.baseline_options import dates_of
from orchestration.operations.baselines.best import spans_of, use_named
from orchestration.operations.operation import READS_AND_ACTS, Call, Option, operation
from orchestration.operations.signing import actor

if TYPE_CHECKING:
    from ml.baselines.savings.best_of_years import Span


@operation(
    "baseline rule",
    takes=READS_AND_ACTS,
    example="--seu factory/compressors --years 2024,2025 --report 2026-01-01/2027-01-01 --as anna "
    '--reason "as the board decided"',
)
def rule(
    call: Call,
    seu: Annotated[str, Option("--seu", help="A significant energy use: SEU, or SITE/SEU.")],
    report: Annotated[str, Option("--report", help="Reporting period START/END that is not over.")],
    reason: Annotated[str, Option("--reason", help="Why these years.")],
    train: Annotated[list[str] | None, Option("--train", help="A baseline year START/END. Repeatable.")] = None,
    years: Annotated[str | None, Option("--years", help="Calendar years to train on: 2024,2025.")] = None,
    site: Annotated[str | None, Option("--site", help="Of the use.")] = None,
) -> Answer:
    """Approve, as a named person, by which baseline years a reporting period will be judged; once, before it ends."""
    from ml.baselines.savings.best_of_years import check_spans

    who = actor(call, Role.APPROVER)
    spans, span = spans_of(train, years), dates_of(report, "--report")
    check_spans(spans, span)
    known, use = use_named(call, site, seu)
    asked = year_rule(known, use, spans, span)
    with call.project.store.together():
        kept = YearRules(call.project.store).approve(
            asked, who.person, reason, call.clock, time_zone=known.time_zone
        )  # fmt: skip
        who.sign("baseline rule", f"{known.site_id}/{use.seu_id}", rule=asked.model_dump(mode="json"))
    said = ", ".join(f"{each.start}/{each.end}" for each in asked.trains)
    text = f"{known.site_id}/{use.seu_id}, {span[0]}/{span[1]}: best of {said}, approved by {kept.approved_by}"
    return Answer({"rule": record_data(kept)}, text=text)


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


def standing_of_rule(asked: YearRule, found: YearRuleRecord | None) -> list[Finding]:
    """What is to be said where a period is judged by a rule that nobody named before, or by another one."""
    if found is None:
        message = "Nobody approved a rule for this reporting period while it ran: its years are chosen afterwards."
        return [Finding(code="rule_not_named", message=message)]
    if set(found.rule.trains) == set(asked.trains):
        return []
    said = ", ".join(f"{each.start}/{each.end}" for each in found.rule.trains)
    message = f"The rule that {found.approved_by} approved for this period names other years: {said}."
    return [Finding(code="other_rule_approved", message=message, severity="blocking")]
