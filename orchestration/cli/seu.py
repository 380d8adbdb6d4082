"""`meterloom seu list`: energy sources and significant energy uses of the site files."""

from typing import Annotated

import typer

from assets.kpi.register import seu_lines, sources_of
from data_quality.contracts.meter import Carrier
from orchestration.cli.frame import Answer, Call, command


def register(app: typer.Typer) -> None:
    """Put the commands on the application."""
    group = typer.Typer(help="Significant energy uses.", no_args_is_help=True)
    app.add_typer(group, name="seu")

    @command(group, "list", example="meterloom seu list --source electricity --json")
    def seu_list(
        call: Call,
        source: Annotated[Carrier | None, typer.Option("--source", help="Only this energy source.")] = None,
        active: Annotated[bool, typer.Option("--active", help="Only active ones.")] = False,
    ) -> Answer:
        """List the SEUs of every site with their baseline and last report."""
        sites = call.project.sites
        found = seu_lines(
            sites,
            baselines=call.project.baselines,
            reports=call.project.reports,
            source=source,
            is_active_only=active,
            as_of_utc=call.as_of_utc,
        )
        rows = [
            [each.site, each.id, each.source, ", ".join(each.meters), each.baseline or "-", each.last_report or "-"]
            for each in found
        ]
        return Answer(
            data={"seus": [each.model_dump(mode="json") for each in found], "sources": sources_of(sites.values())},
            columns=["site", "seu", "source", "meters", "baseline", "last report"],
            rows=rows,
        )
