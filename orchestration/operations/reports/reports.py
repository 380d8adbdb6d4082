"""`meterloom reports`: revisions and their life: do they hold, what differs; review, return, publish, deliver."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from assets.stores.published.publications import PUBLISHED_SYNTHETIC, PublicationStore
from assets.stores.published.report_ledger import Revision
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role, person_text
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import OnlySiteOption
from orchestration.operations.signing import actor
from reports.evidence.lifecycle import Outcome, RevisionLifecycle, next_step, revision_state_at, revision_states_at
from reports.figures.trace import stale_revisions
from reports.lifecycle.changes import between_revisions, data_between, data_moved, data_of, parse_revision, what_changed
from reports.make_report import RENDERERS, render_now
from reports.report_content import ReportState

if TYPE_CHECKING:
    from orchestration.notices.courier import Parcel

PUBLISHED_FOLDER = "published"

RevisionArgument = Annotated[str, Argument("ID of 'reports list'; newest without @.", metavar="REVISION")]
_EXAMPLE = "enpi_quarter/factory/2025-Q1@1"
ReasonOption = Annotated[str, Option("Why it may go on.")]
WhyOption = Annotated[str, Option("Why.")]


_CHANGE = "figure: {label} | scope | from: {start} | was: {was:,.3f} | now: {now:,.3f} | unit | id: {figure_id}"
FIGURES = "figure: {label} | scope | from: {start} | value: {value:,.3f} | unit | id: {figure_id}"
CHANGES = Table(
    "figures",
    _CHANGE,
    empty="every figure has the value that is stored",
)
# Of two revisions: the same figures may be told, drawn or laid out in another way.
BETWEEN = Table("figures", _CHANGE, empty="both revisions have the same figures; words, charts or layout differ")
REPORTS = Table(
    "reports",
    "revision: {id} | status: {said} | : {mark}",
    mark=lambda each: "stale: rests on what has changed since" if each["stale"] else "",
    empty="no report is made yet; 'meterloom report templates' lists those there are",
)
DELIVERIES = Table(
    "deliveries",
    "revision: {report_id}@{revision} | to: {channel} | where: {target} | state | tries: {attempt} | why: {reason}",
    empty="nothing waits",
)


@operation("reports list")
def reports_list(call: Call, site: OnlySiteOption = None) -> Answer:
    """List stored revisions; a stale one rests on readings or versions that are no longer those of today."""
    project = call.project
    # All at once: revisions share their inputs, and each is looked at once.
    stale = stale_revisions(project.reports, call.sources, as_of_utc=call.as_of_utc)
    publications = PublicationStore(project.store)
    decided = publications.statuses(as_of_utc=call.as_of_utc)
    lives = revision_states_at(publications, decided, call.project.names, as_of_utc=call.as_of_utc)
    found = [
        {
            "name": r.name,
            "site": r.site_id,
            "period": r.period,
            "revision": r.revision,
            "status": (life := lives.get((r.report_id, r.revision), ReportState())).status,
            "said": life.text,
            **life.model_dump(mode="json", include={"reviewed", "published"}),
            "stale": bool(stale.get((r.report_id, r.revision))),
            "id": f"{r.report_id}@{r.revision}",
            "changes": stale.get((r.report_id, r.revision), []),
        }
        # The content of every revision would be read and parsed for nothing.
        for r in project.reports.revisions(as_of_utc=call.as_of_utc, with_content=False)
        if site in (None, r.site_id)
    ]
    return Answer({"reports": found}, REPORTS)


@operation("reports show", example=_EXAMPLE)
def show(call: Call, revision: RevisionArgument) -> Answer:
    """Show a stored revision: its state, what it rests on, and every number of it with the id that `trace` takes."""
    found = parse_revision(revision, call.project.reports, as_of_utc=call.as_of_utc)
    name = f"{found.report_id}@{found.revision}"
    row = next(each for each in reports_list(call, found.site_id).result["reports"] if each["id"] == name)  # type: ignore[index]
    figures = call.project.reports.figures(found.report_id, found.revision)
    return Answer({**row, "figures": figures}, Table("figures", FIGURES), text=f"{name}: {row['said']}")


@operation("reports review", takes=ACTS, example=f"{_EXAMPLE} --as anna")
def review(call: Call, revision: RevisionArgument, reason: ReasonOption = "looked at") -> Answer:
    """Review a revision as a named person with the role; whoever made it cannot."""
    who = actor(call, Role.REVIEWER)
    chosen = parse_revision(revision, call.project.reports)
    return step_answer(chosen, life_of(call).review(chosen, who.person, signer=who.signer, reason=reason))


@operation("reports publish", takes=ACTS, example=f"{_EXAMPLE} --as dirk")
def publish(
    call: Call,
    revision: RevisionArgument,
    reason: ReasonOption = "reviewed",
    allow_synthetic: Annotated[bool, Option("Publish simulated readings, watermarked and named so.")] = False,
) -> Answer:
    """Publish a reviewed revision: it never changes again and closes its period. Reasons against it are listed."""
    who = actor(call, Role.PUBLISHER)
    chosen = parse_revision(revision, call.project.reports)
    outcome = life_of(call).publish(
        chosen, who.person, signer=who.signer, reason=reason, allow_synthetic=allow_synthetic
    )
    if outcome.status is None:
        return step_answer(chosen, outcome)
    out_dir = call.project.project.reports_dir / PUBLISHED_FOLDER
    reports, names = call.project.reports, call.project.names
    _, files = render_now(outcome.content, reports, out_dir, tuple(RENDERERS), call.clock, names)
    return step_answer(chosen, outcome, files=[*files.values()])


@operation("reports return", takes=ACTS, example=f"{_EXAMPLE} --as anna --reason 'bill of March is missing'")
def send_back(call: Call, revision: RevisionArgument, reason: WhyOption) -> Answer:
    """Send a revision back: it is never published; what it rests on is mended, and another revision is made."""
    who = actor(call, Role.REVIEWER)
    chosen = parse_revision(revision, call.project.reports)
    return step_answer(chosen, life_of(call).send_back(chosen, who.person, signer=who.signer, reason=reason))


@operation("reports withdraw", takes=ACTS, example=f"{_EXAMPLE} --as dirk --reason 'meter was wired wrongly'")
def withdraw(call: Call, revision: RevisionArgument, reason: WhyOption) -> Answer:
    """Say of a published revision that it no longer holds; its files stay as they are, its period stays closed."""
    who = actor(call, Role.PUBLISHER)
    chosen = parse_revision(revision, call.project.reports)
    return step_answer(chosen, life_of(call).withdraw(chosen, who.person, signer=who.signer, reason=reason))


@operation("reports deliver", takes=PROJECT, example=f"{_EXAMPLE} --to folder", writes=True)
def deliver(
    call: Call,
    revision: Annotated[str | None, Argument("None: what waits in the outbox.", metavar="[REVISION]")] = None,
    to: Annotated[list[str] | None, Option("Only folder, mail or webhook; repeatable.")] = None,
) -> Answer:
    """Deliver a published revision to what section `delivery` of the settings names, or try again what waits."""
    from assets.stores.published.deliveries import OPENADR, DeliveryStore
    from orchestration.notices.courier import CHANNELS, Courier

    project, reports = call.project, call.project.reports
    outbox, settings = DeliveryStore(project.store), project.project.settings.delivery
    courier = Courier(settings=settings, root=project.project.root, outbox=outbox, clock=call.clock)
    if revision is None:
        from orchestration.operations.exports.openadr_push import send_waiting

        # Published reports first: a push of reports to OpenADR servers that is under way holds up the others alone.
        found = [
            courier.send(each, _parcel_of(call, reports.get(each.report_id, each.revision)))
            for each in outbox.waiting()
            if each.channel != OPENADR
        ] + send_waiting(call)
    else:
        parcel = _parcel_of(call, parse_revision(revision, reports))
        if unknown := [each for each in to or () if each not in CHANNELS]:
            raise BadInput(f"unknown channel {unknown[0]!r}; there are {', '.join(CHANNELS)}", reason="unknown_channel")
        # Asked for in full before the first is tried: what a crash leaves waits in the outbox.
        deliveries = courier.ask(parcel, [each for each in CHANNELS if not to or each in to])
        found = [courier.send(each, parcel) for each in deliveries]
    is_done = all(each.state == "sent" for each in found)
    return Answer({"deliveries": found}, DELIVERIES, exit_code=DONE if is_done else CHECK_FAILED)


def _parcel_of(call: Call, revision: Revision) -> "Parcel":
    """The published files of a revision, rendered again: the same bytes as when they were published."""
    from orchestration.notices.courier import Parcel
    from reports.lifecycle.revise import stored_content

    project = call.project
    name = f"{revision.report_id}@{revision.revision}"
    life = revision_state_at(PublicationStore(project.store), revision.report_id, revision.revision, project.names)
    if life.published is None or life.withdrawn is not None:
        raise BadInput(f"{name} is {life.status}; only what is published is delivered", reason="not_published")
    stored = stored_content(project.reports, revision.report_id, revision.revision)
    folder = project.project.reports_dir / PUBLISHED_FOLDER
    content, files = render_now(stored, project.reports, folder, ("pdf", "xlsx"), call.clock, project.names)
    title = f"{content.title}, {content.site_name}, {content.period}"
    mark = " (simulated readings)" if life.status == PUBLISHED_SYNTHETIC else ""
    return Parcel(revision.report_id, revision.revision, title + mark, tuple(files.values()))


@operation("reports diff", example=_EXAMPLE)
def reports_diff(
    call: Call,
    revision: RevisionArgument,
    other: Annotated[int | None, Option("Another revision of it, instead of today.", "--with")] = None,
) -> Answer:
    """Name the figures of a revision, and data points of a pack, that have another value today or in another one."""
    reports = call.project.reports
    chosen = parse_revision(revision, reports, as_of_utc=call.as_of_utc)
    figures = reports.figures(chosen.report_id, chosen.revision)
    stale = stale_revisions(reports, call.sources, as_of_utc=call.as_of_utc)
    causes = stale.get((chosen.report_id, chosen.revision), [])
    if other is None:
        as_of = call.as_of_or_now
        changed = what_changed(figures, causes, sources=call.sources, as_of_utc=as_of)
        moved = data_moved(data_of(chosen), changed)
    else:
        other_revision = parse_revision(f"{chosen.report_id}@{other}", reports, as_of_utc=call.as_of_utc)
        changed = between_revisions(figures, reports.figures(other_revision.report_id, other_revision.revision))
        moved = data_between(data_of(chosen), data_of(other_revision))
    result: dict[str, object] = {
        "revision": f"{chosen.report_id}@{chosen.revision}",
        "stale": bool(causes),
        "causes": causes,
        "figures": changed,
    }
    if data_of(chosen):
        result |= {"data": moved}
    return Answer(result, CHANGES if other is None else BETWEEN)


def life_of(call: Call) -> RevisionLifecycle:
    """Reviews and publications of the project."""
    project = call.project

    def stale(revision: Revision) -> Sequence[str]:
        changes = stale_revisions(project.reports, call.sources)[revision.report_id, revision.revision]
        return [change.name for change in changes]

    publications = PublicationStore(project.store)
    return RevisionLifecycle(project.reports, publications, stale=stale, clock=call.clock, names=project.names)


def step_answer(revision: Revision, outcome: Outcome, files: Sequence[Path] = ()) -> Answer:
    """The result of a step; exit code 1 with the blocking reasons."""
    name = f"{revision.report_id}@{revision.revision}"
    decision, status = outcome.decision, outcome.status
    result = {
        "reports": [
            {
                "name": revision.name,
                "period": revision.period,
                "revision": revision.revision,
                "status": status,
                "is_signed": outcome.is_signed,
                "stale": any(finding.code == "stale" for finding in outcome.blockers),
                "id": name,
            }
        ],
        "decision": decision,
        "against_publication": outcome.blockers,
        "files": files,
    }
    if decision is None or status is None:
        lines = [f"{name} is not published:", *(f"  {each.code}: {each.message}" for each in outcome.blockers)]
        return Answer(result, text="\n".join(lines), exit_code=CHECK_FAILED)
    signed = "" if outcome.is_signed else ", without a signature: no person of this project has a key"
    who = person_text(decision.person_id, decision.names.get(decision.person_id))
    lines = [f"{name} is {status}, by {who}{signed}", *(f"  {path}" for path in files)]
    return Answer(result, text="\n".join([*lines, *filter(None, [next_step(status)])]))
