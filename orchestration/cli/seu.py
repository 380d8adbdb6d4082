"""`meterloom seu list`: energy sources and significant energy uses of the site files."""

from typing import Annotated, Any

import typer

from data_quality.contracts.site import Carrier
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
        seus: list[dict[str, Any]] = []
        for site_id, site in sorted(call.project.sites.items()):
            reports = call.project.reports.revisions(site_id, name="enpi_quarter", as_of_utc=call.as_of_utc)
            for seu in site.seus:
                if (source and seu.carrier != source) or (active and not seu.is_active):
                    continue
                versions = call.project.baselines.versions(site_id=site_id, seu_id=seu.seu_id, as_of_utc=call.as_of_utc)
                newest = versions[-1] if versions else None
                seus.append(
                    {
                        "id": seu.seu_id,
                        "name": seu.name,
                        "site": site_id,
                        "source": seu.carrier.value,
                        "meters": list(seu.meters),
                        "is_aggregate": seu.is_aggregate,
                        "drivers": [driver.driver_id for driver in seu.drivers],
                        "baseline": f"{newest.baseline_id} v{newest.version} {newest.status.value}" if newest else None,
                        "last_report": reports[-1].period if reports else None,
                    }
                )
        rows = [[s["site"], s["id"], s["source"], ", ".join(s["meters"]), s["baseline"] or "-"] for s in seus]
        return Answer(data={"seus": seus}, columns=["site", "seu", "source", "meters", "baseline"], rows=rows)
