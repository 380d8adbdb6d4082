"""`meterloom ingest`: meter files into the lake."""

from pathlib import Path
from typing import Annotated

import typer

from assets.readings.ingest import ingest_file
from orchestration.cli.frame import BAD_INPUT, DONE, Answer, Call, command
from orchestration.cli.sniff import MapOption, column_map, report_lines


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "ingest", example="meterloom ingest meters.csv --site my_site --dry-run")
    def ingest(
        call: Call,
        paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Meter files.")],
        site: Annotated[str, typer.Option("--site", help="Site whose meters they hold.")],
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
        mapping: MapOption = None,
        refresh: Annotated[
            bool, typer.Option("--refresh", help="Then make again the marts, baselines and reports that they touch.")
        ] = False,
    ) -> Answer:
        """Read meter files into the lake; what cannot be read is kept in quarantine, everything else goes in."""
        known_site, known = call.project.site(site), column_map(mapping)
        lake, quarantine = call.project.lake, call.project.quarantine
        reports = []
        for path in paths:
            report = ingest_file(
                path,
                site=known_site,
                lake=lake,
                quarantine=quarantine,
                clock=call.clock,
                mapping=known,
                dry_run=dry_run,
            )
            reports.append(report)
            call.say(report.message or f"{path.name}: {report.new_rows} new, {report.corrected_rows} corrected")
            for each in report.restored:
                call.say(f"{path.name}: the lake's file {each} is as it was again")
        ran: dict[str, list[str]] = {}
        if refresh and not dry_run:
            from orchestration.fresh import refresh as make_again

            ran = make_again(call.project, say=call.say)
        changed = sum(report.new_rows + report.corrected_rows for report in reports)
        text = "\n".join(report_lines(report) for report in reports)
        return Answer(
            data={"files": [report.model_dump(mode="json") for report in reports], "runs": ran},
            text=f"{text}\n{changed} quarter hours {'would change' if dry_run else 'changed'}",
            exit_code=BAD_INPUT if any(report.verdict == "reject" for report in reports) else DONE,
        )
