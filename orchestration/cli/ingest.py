"""`meterloom ingest`: meter files into the lake."""

from pathlib import Path
from typing import Annotated

import typer

from assets.readings.ingest import AcceptedScale, ingest_file
from orchestration.cli.frame import BAD_INPUT, DONE, Answer, Call, command
from orchestration.cli.sniff import MapOption, column_map, report_lines

AcceptOption = Annotated[
    bool,
    typer.Option("--accept-scale", help="Take what is held for its size alone; the batch keeps who said so (--as)."),
]


def accepted_scale(call: Call, *, is_accepted: bool) -> AcceptedScale | None:
    """The word of the person named by --as, where it is given. Raises BadInput for a person that nobody knows."""
    if not is_accepted:
        return None
    return AcceptedScale(person_id=call.known_person().person_id if call.person else "")


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "ingest", example="meterloom ingest meters.csv --site my_site --dry-run")
    def ingest(
        call: Call,
        paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Meter files.")],
        site: Annotated[str, typer.Option("--site", help="Site whose meters they hold.")],
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
        mapping: MapOption = None,
        accept_scale: AcceptOption = False,
        refresh: Annotated[
            bool, typer.Option("--refresh", help="Then make again the marts, baselines and reports that they touch.")
        ] = False,
    ) -> Answer:
        """Read meter files into the lake; what cannot be read is kept in quarantine, everything else goes in."""
        known_site, known = call.project.site(site), column_map(mapping)
        lake, quarantine = call.project.lake, call.project.quarantine
        accepted = accepted_scale(call, is_accepted=accept_scale)
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
                accepted=accepted,
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
