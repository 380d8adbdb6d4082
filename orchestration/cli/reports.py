"""`meterloom reports`: the revisions that were stored, and whether they still hold."""

import typer

from orchestration.cli.frame import Answer, Call, command
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
        sources = Sources(lake=project.lake, sites=project.sites, baselines=project.baselines)
        stale = stale_revisions(project.reports, sources)
        found = [
            {
                "name": r.name,
                "site": r.site_id,
                "period": r.period,
                "revision": r.revision,
                "status": r.status,
                "stale": bool(stale.get((r.report_id, r.revision))),
                "changes": [change.model_dump() for change in stale.get((r.report_id, r.revision), [])],
            }
            for r in project.reports.revisions()
        ]
        rows = [
            [r["name"], r["site"], r["period"], str(r["revision"]), r["status"], "stale" if r["stale"] else ""]
            for r in found
        ]
        columns = ["name", "site", "period", "revision", "status", ""]
        return Answer(data={"reports": found}, columns=columns, rows=rows)
