"""`meterloom sniff`: format and content of meter files, nothing stored."""

from pathlib import Path
from typing import Annotated

import typer

from assets.readings.blocks import look_at
from assets.readings.parsed import Channel, one_line
from assets.readings.sniff import SniffReport
from assets.sites.load import load_site
from data_quality.contracts.site import ColumnMap
from data_quality.contracts.time import SystemClock
from data_quality.contracts.yaml_file import load_model
from orchestration.cli.frame import BAD_INPUT, DONE, Answer, Call, command

MapOption = Annotated[Path | None, typer.Option("--map", help="Column map (YAML), as a site file holds it.")]


def column_map(path: Path | None) -> ColumnMap | None:
    """The column map of a file, or none."""
    return load_model(path, ColumnMap) if path is not None else None


def report_lines(report: SniffReport) -> str:
    """What a person wants to know of one file."""
    lines = [f"{report.path}: {report.verdict}, {report.format or 'unknown format'}, {report.accepted_rows} rows"]
    if report.message:
        lines.append(f"  {report.message}")
    if report.rejected_rows:
        reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons.items())
        lines.append(f"  {report.rejected_rows} rows refused: {reasons}")
    lines += [f"  note: {name} {count}" for name, count in report.warnings.items()]
    if report.reading:
        lines.append("  read as: " + "; ".join(f"{name} {text}" for name, text in report.reading.items()))
    for channel in report.channels:
        # Names come from the file: nothing in them may steer a terminal.
        lines.append(f"  {one_line(f'{channel.meter}.{channel.channel}', 200)}: {_content(channel)}")
    return "\n".join([*lines, *proposal_lines(report.proposal)])


def proposal_lines(proposal: str) -> list[str]:
    """A proposed column map for people; nothing where there is none."""
    if not proposal:
        return []
    title = "  a column map for this table, to complete and keep in the site file or give with --map:"
    return [title, *(f"    {line}" for line in proposal.splitlines())]


def _content(channel: Channel) -> str:
    if channel.reading is not None:
        when = f" at {channel.end_utc:%Y-%m-%d %H:%M}Z" if channel.end_utc else ""
        return f"reads {channel.reading:,} {channel.unit}{when}"
    total = f"{channel.sum:,.3f} {channel.unit}".rstrip() if channel.sum is not None else "-"
    span = f", {channel.start_utc:%Y-%m-%d %H:%M}Z to {channel.end_utc:%Y-%m-%d %H:%M}Z" if channel.start_utc else ""
    return f"{channel.intervals} intervals{span}, sum {total}"


def register(app: typer.Typer) -> None:
    """Put the command on the application."""

    @command(app, "sniff", example="meterloom sniff meters.csv --tz Europe/Berlin --json")
    def sniff(
        call: Call,
        files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Meter files.")],
        mapping: MapOption = None,
        tz: Annotated[str | None, typer.Option("--tz", help="Zone of times without offset.")] = None,
        site_file: Annotated[Path | None, typer.Option("--site-file", help="Read with this site's meters.")] = None,
    ) -> Answer:
        """Say what meter files hold, and which rows would be refused. Nothing is stored."""
        known, site = column_map(mapping), load_site(site_file) if site_file else None
        now_utc = SystemClock().now_utc()
        reports = [look_at(path, mapping=known, site=site, tz=tz, now_utc=now_utc) for path in files]
        for report in reports:
            if report.verdict == "reject":
                call.say(report.message)
        return Answer(
            data={"files": [report.model_dump(mode="json") for report in reports]},
            text="\n".join(report_lines(report) for report in reports),
            exit_code=BAD_INPUT if any(report.verdict == "reject" for report in reports) else DONE,
        )
