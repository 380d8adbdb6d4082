"""`meterloom reports`: stored revisions and their life: do they still hold, what differs, review, publish, deliver."""

from collections.abc import Sequence
from typing import Annotated

import typer

from assets.stores.publications import PublicationStore
from assets.stores.reports import Revision
from data_quality.contracts.people import Role
from orchestration.cli.frame import CHECK_FAILED, DONE, Answer, Call, command
from orchestration.cli.signing import actor
from reports.changes import FigureChange, between_revisions, parse_revision, what_changed
from reports.content.model import ReportLife
from reports.evidence.life import Life, Outcome, life_at, next_step
from reports.make import RENDERERS, render_now
from reports.sources import Sources
from reports.trace import stale_revisions

RevisionArgument = Annotated[str, typer.Argument(metavar="REVISION", help="ID of 'reports list'; newest without @.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why it may go on.")]


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Stored reports.", no_args_is_help=True)
    app.add_typer(group, name="reports")
    name = "enpi_quarter/factory/2025-Q1@1"
    command(group, "list", example="meterloom reports list")(reports_list)
    command(group, "review", example=f"meterloom reports review {name} --as anna")(review)
    command(group, "publish", example=f"meterloom reports publish {name} --as dirk")(publish)
    command(group, "deliver", example=f"meterloom reports deliver {name} --to folder")(deliver)

    @command(group, "diff", example="meterloom reports diff enpi_quarter/factory/2025-Q1@1")
    def reports_diff(
        call: Call,
        revision: Annotated[str, typer.Argument(metavar="REVISION", help="ID of 'reports list'; newest without @.")],
        other: Annotated[int | None, typer.Option("--with", help="Another revision of it, instead of today.")] = None,
    ) -> Answer:
        """Name the figures of a revision that have another value today, or in another revision."""
        project = call.project
        chosen = parse_revision(revision, project.reports, as_of_utc=call.as_of_utc)
        figures = project.reports.figures(chosen.report_id, chosen.revision)
        key = (chosen.report_id, chosen.revision)
        sources = sources_of(call)
        causes = stale_revisions(project.reports, sources, as_of_utc=call.as_of_utc).get(key, [])
        if other is None:
            as_of = call.as_of_utc or project.reports.known_at(call.clock)
            changed = what_changed(figures, causes, sources=sources, as_of_utc=as_of)
        else:
            against = parse_revision(f"{chosen.report_id}@{other}", project.reports, as_of_utc=call.as_of_utc)
            changed = between_revisions(figures, project.reports.figures(against.report_id, against.revision))
        data = {
            "revision": f"{chosen.report_id}@{chosen.revision}",
            "stale": bool(causes),
            "causes": [cause.model_dump() for cause in causes],
            "figures": [change.model_dump() for change in changed],
        }
        text = "" if changed else "every figure has the value that is stored"
        columns = ["figure", "scope", "from", "was", "now", "unit", "id"]
        return Answer(data=data, columns=columns, rows=[shown(change) for change in changed], text=text)


def reports_list(call: Call) -> Answer:
    """List stored revisions; a stale one rests on readings or versions that are no longer those of today."""
    project = call.project
    stale = stale_revisions(project.reports, sources_of(call), as_of_utc=call.as_of_utc)
    publications = PublicationStore(project.store)
    decided = publications.statuses(as_of_utc=call.as_of_utc)
    lives = {key: life_at(publications, *key, as_of_utc=call.as_of_utc) for key in decided}
    found = [
        {
            "name": r.name,
            "site": r.site_id,
            "period": r.period,
            "revision": r.revision,
            "status": (life := lives.get((r.report_id, r.revision), ReportLife())).status,
            "said": life.text,
            **life.model_dump(mode="json", include={"reviewed", "published"}),
            "stale": bool(stale.get((r.report_id, r.revision))),
            "id": f"{r.report_id}@{r.revision}",
            "changes": [change.model_dump() for change in stale.get((r.report_id, r.revision), [])],
        }
        for r in project.reports.revisions(as_of_utc=call.as_of_utc, with_content=False)
    ]
    rows = [
        [r["name"], r["site"], r["period"], str(r["revision"]), r["said"], "stale" if r["stale"] else "", r["id"]]
        for r in found
    ]
    columns = ["name", "site", "period", "revision", "status", "", "id"]
    return Answer(data={"reports": found}, columns=columns, rows=rows)


def review(call: Call, revision: RevisionArgument, reason: ReasonOption = "looked at") -> Answer:
    """Review a revision as a named person with the role; whoever made it cannot."""
    who = actor(call, Role.REVIEWER)
    chosen = parse_revision(revision, call.project.reports)
    return told(chosen, life_of(call).review(chosen, who.person, signer=who.signer, reason=reason))


def publish(
    call: Call,
    revision: RevisionArgument,
    reason: ReasonOption = "reviewed",
    allow_synthetic: Annotated[
        bool, typer.Option("--allow-synthetic", help="Publish simulated readings, watermarked and named so.")
    ] = False,
) -> Answer:
    """Publish a reviewed revision: it never changes again and closes its period. What stands against it is listed."""
    who = actor(call, Role.PUBLISHER)
    chosen = parse_revision(revision, call.project.reports)
    outcome = life_of(call).publish(
        chosen, who.person, signer=who.signer, reason=reason, allow_synthetic=allow_synthetic
    )
    if outcome.status is None:
        return told(chosen, outcome)
    out_dir = call.project.project.reports_dir / "published"
    _, files = render_now(outcome.content, call.project.reports, out_dir, tuple(RENDERERS))
    return told(chosen, outcome, files=[str(path) for path in files.values()])


def deliver(
    call: Call,
    revision: Annotated[
        str | None, typer.Argument(metavar="[REVISION]", help="None: what waits in the outbox.")
    ] = None,
    to: Annotated[list[str] | None, typer.Option("--to", help="Only folder, mail or webhook; repeatable.")] = None,
) -> Answer:
    """Deliver a published revision to what section `delivery` of the settings names, or try again what waits."""
    from orchestration.cli.delivering import deliver_revision, deliver_waiting

    found = deliver_waiting(call) if revision is None else deliver_revision(call, revision, to)
    rows = [[f"{d.report_id}@{d.revision}", d.channel, d.target, d.state, str(d.attempt), d.reason] for d in found]
    is_done = all(each.state == "sent" for each in found)
    return Answer(
        data={"deliveries": [each.model_dump() for each in found]},
        columns=["revision", "to", "where", "state", "tries", "why"],
        rows=rows,
        text="" if found else "nothing waits",
        exit_code=DONE if is_done else CHECK_FAILED,
    )


def life_of(call: Call) -> Life:
    """Reviews and publications of the project."""
    project = call.project

    def stale(revision: Revision) -> Sequence[str]:
        changes = stale_revisions(project.reports, sources_of(call))[revision.report_id, revision.revision]
        return [f"{change.kind} {change.id}" for change in changes]

    return Life(reports=project.reports, publications=PublicationStore(project.store), stale=stale, clock=call.clock)


def told(revision: Revision, outcome: Outcome, files: Sequence[str] = ()) -> Answer:
    """What came of a step; exit code 1 with the reasons where something stands against it."""
    name = f"{revision.report_id}@{revision.revision}"
    decision, status = outcome.decision, outcome.status
    against = [finding.model_dump() for finding in outcome.against]
    data = {
        "reports": [
            {
                "name": revision.name,
                "period": revision.period,
                "revision": revision.revision,
                "status": status,
                "is_signed": outcome.is_signed,
                "stale": any(finding.code == "stale" for finding in outcome.against),
                "id": name,
            }
        ],
        "decision": None if decision is None else decision.model_dump(),
        "against_publication": against,
        "files": list(files),
    }
    if decision is None or status is None:
        lines = [f"{name} is not published:", *(f"  {each.code}: {each.message}" for each in outcome.against)]
        return Answer(data=data, text="\n".join(lines), exit_code=CHECK_FAILED)
    signed = "" if outcome.is_signed else ", without a signature: no person of this project has a key"
    lines = [f"{name} is {status}, by {decision.person_id}{signed}", *(f"  {path}" for path in files)]
    return Answer(data=data, text="\n".join([*lines, *filter(None, [next_step(status)])]))


def sources_of(call: Call) -> Sources:
    """What figures are computed from again."""
    project = call.project
    return project.sources()


def shown(change: FigureChange) -> list[str]:
    """One changed figure as a row for people."""
    was, now = ("-" if value is None else f"{value:,.3f}" for value in (change.was, change.now))
    return [change.label, change.scope, str(change.start), was, now, change.unit, change.figure_id]
