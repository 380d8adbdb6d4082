"""`meterloom reports`: the revisions that were stored, whether they still hold, and which figures would be others."""

from typing import Annotated

import typer

from orchestration.cli.frame import Answer, Call, command
from reports.changes import FigureChange, between_revisions, parse_revision, what_changed
from reports.sources import Sources
from reports.trace import stale_revisions


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Stored reports.", no_args_is_help=True)
    app.add_typer(group, name="reports")

    @command(group, "list", example="meterloom reports list")
    def reports_list(call: Call) -> Answer:
        """List stored revisions; a stale one rests on readings or versions that are no longer those of today."""
        project = call.project
        stale = stale_revisions(project.reports, sources_of(call), as_of_utc=call.as_of_utc)
        found = [
            {
                "name": r.name,
                "site": r.site_id,
                "period": r.period,
                "revision": r.revision,
                "status": r.status,
                "stale": bool(stale.get((r.report_id, r.revision))),
                "id": f"{r.report_id}@{r.revision}",
                "changes": [change.model_dump() for change in stale.get((r.report_id, r.revision), [])],
            }
            for r in project.reports.revisions(as_of_utc=call.as_of_utc)
        ]
        rows = [
            [r["name"], r["site"], r["period"], str(r["revision"]), r["status"], "stale" if r["stale"] else "", r["id"]]
            for r in found
        ]
        columns = ["name", "site", "period", "revision", "status", "", "id"]
        return Answer(data={"reports": found}, columns=columns, rows=rows)

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


def sources_of(call: Call) -> Sources:
    """What figures are computed from again."""
    project = call.project
    return Sources(lake=project.lake, sites=project.sites, baselines=project.baselines)


def shown(change: FigureChange) -> list[str]:
    """One changed figure as a row for people."""
    was, now = ("-" if value is None else f"{value:,.3f}" for value in (change.was, change.now))
    return [change.label, change.scope, str(change.start), was, now, change.unit, change.figure_id]
