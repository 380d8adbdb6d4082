"""`meterloom sniff`: format and content of meter files, nothing stored."""

from pathlib import Path
from typing import Annotated

import typer

from assets.readings.bulk.table_blocks import look_at
from assets.readings.parsed import Channel, one_line
from assets.readings.sniff_files import SniffReport
from assets.sites.load_sites import load_site
from data_quality.contracts.time import SystemClock
from orchestration.cli.answer import BAD_INPUT, DONE, Answer
from orchestration.cli.frame import STATELESS, Call, command
from orchestration.cli.options import MapOption, column_map


@command("sniff", takes=STATELESS, example="meters.csv --tz Europe/Berlin --json")
def sniff(
    call: Call,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Meter files.")],
    mapping: MapOption = None,
    tz: Annotated[str | None, typer.Option("--tz", help="Zone of times without offset.")] = None,
    site_file: Annotated[Path | None, typer.Option("--site-file", help="Read with this site's meters.")] = None,
) -> Answer:
    """Say what meter files hold, and which rows would be refused. Nothing is stored."""
    known, site = column_map(mapping), load_site(site_file) if site_file else None
    # One instant for all files: "in the future" must mean the same in each.
    now_utc = SystemClock().now_utc()
    reports = [look_at(path, mapping=known, site=site, tz=tz, now_utc=now_utc) for path in files]
    for report in reports:
        if report.verdict == "reject":
            call.say(report.message)
    return reports_answer(reports)


def reports_answer(reports: list[SniffReport], last_line: str = "", **more: object) -> Answer:
    """What was found in each file; exit code 2 where one is rejected whole."""
    return Answer(
        {"files": [report.model_dump(mode="json") for report in reports], **more},
        text="\n".join([*map(report_lines, reports), *filter(None, [last_line])]),
        exit_code=BAD_INPUT if any(report.verdict == "reject" for report in reports) else DONE,
    )


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
