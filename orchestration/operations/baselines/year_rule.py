"""`meterloom baseline rule`: the rule by which a reporting year will be judged, approved before the year is over."""

from typing import Annotated

from assets.stores.ledgers.year_rules import YearRules
from data_quality.contracts.people import Role
from orchestration.operations.answer import Answer
from orchestration.operations.baselines.baseline_options import dates_of
from orchestration.operations.baselines.best import record_data, spans_of, use_named, year_rule
from orchestration.operations.operation import PROJECT, Call, Option, operation
from orchestration.operations.signing import actor


@operation(
    "baseline rule",
    takes=(*PROJECT, "person_"),
    example="--seu factory/compressors --years 2024,2025 --report 2026-01-01/2027-01-01 --as anna "
    '--reason "as the board decided"',
)
def rule(
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
