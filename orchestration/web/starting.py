"""A site made of files that were sent: what they would make of it, and its making with all that belongs to it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl

from assets.readings.ingest.preview import preview_file
from assets.readings.parsed import PARSED_SCHEMA
from assets.readings.sniff_files import read_file
from assets.stores.lake.merges import newest_entry
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.billing.supplier_bill import SupplierBill
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from data_quality.contracts.time import zone
from orchestration.operations.readings.ingest import ingest
from orchestration.starter.interview import Interview
from orchestration.starter.project_files import STARTER, TARIFFS, Drafted, drafted, site_id_of
from orchestration.web.bill_files import PDF, bills_in, keep_bill
from orchestration.web.request_context import Context
from orchestration.web.web_call import WebCall
from orchestration.web.work import calculate
from reports.pages.start import DraftSeries

_HOURS = 7 * 24


def is_empty(ctx: Context) -> bool:
    """True where no reading of any site is stored yet."""
    return newest_entry(ctx.project.store) == 0


def parted(ctx: Context, files: Sequence[Path]) -> tuple[list[Path], dict[Path, SupplierBill], dict[Path, BadInput]]:
    """Files of meters, bills (PDF), and what of the latter cannot be stored, with the reason."""
    papers = [each for each in files if each.suffix.lower() == PDF]
    rest = [each for each in files if each not in papers]
    if papers and not may(ctx.person, Permission.BILL_UPLOAD):
        fault = BadInput("bills are stored by analysts", reason="forbidden")
        return rest, {}, dict.fromkeys(papers, fault)
    return rest, *bills_in(papers)


def draft_of(files: Sequence[Path], answers: Mapping[str, str], maps: Mapping[Path, ColumnMap]) -> Drafted:
    """The site that files make, by answers and column maps of a person. Raises BadInput."""
    interview = Interview({**answers}, tz=answers.get("time_zone"))
    return drafted(site_id_of(answers.get("name", "")), files, interview, maps)


def found_in(ctx: Context, files: Sequence[Path], draft: Drafted) -> tuple[list[DraftSeries], list[datetime]]:
    """Meters and drivers of a draft with the readings that the files hold of them, and the hours of their last week."""
    rows = pl.concat([pl.DataFrame(schema=PARSED_SCHEMA), *_rows(ctx, files, draft)])
    power = pl.when(pl.col("unit") == "kwh").then(pl.col("value") * 60 / pl.col("source_minutes")).otherwise("value")
    hours = rows.group_by("meter_id", hour=pl.col("interval_start_utc").dt.truncate("1h")).agg(mean=power.mean())
    last = hours["hour"].max()
    week = [last - timedelta(hours=back) for back in reversed(range(_HOURS))] if isinstance(last, datetime) else []
    means = {(name, hour): mean for name, hour, mean in hours.select("meter_id", "hour", "mean").iter_rows()}
    counts = dict(rows.group_by("meter_id").len().iter_rows())
    units = {name: next(iter(each.registers.values()), "kwh") for name, each in draft.draft.meters.items()}
    columns: dict[str, tuple[str, ...]] = {}
    for each in draft.draft.maps:
        for column, stream in {**each.keys.get("values", {}), **each.keys.get("meters", {})}.items():
            name = str(stream).partition(".")[0]
            columns[name] = (*columns.get(name, ()), str(column))
    found = [
        DraftSeries(name=draft.site.stream_name(name), columns=columns.get(name, ()), unit=unit,
              hours=tuple(means.get((name, hour)) for hour in week), rows=counts.get(name, 0))
        for name, unit in {**units, **draft.draft.drivers}.items()
    ]  # fmt: skip
    local = zone(draft.site.time_zone)
    return found, [hour.astimezone(local) for hour in week]


def make_site(ctx: Context, files: Sequence[Path], answers: Mapping[str, str], maps: Mapping[Path, ColumnMap]) -> str:
    """Write the site file, bring readings and bills in, and have the figures calculated; the site's id. Once: a second
    time changes nothing. Raises BadInput, with nothing written, where no reading would be stored or the name is taken.
    """
    of_meters, bills, _ = parted(ctx, files)
    draft, project = draft_of(of_meters, answers, maps), ctx.project
    readings = [each for each in of_meters if each not in draft.refused and each.suffix.lower() not in TARIFFS]
    read = partial(preview_file, site=draft.site, lake=project.lake, quarantine=project.quarantine, clock=ctx.clock)
    reports = [read(each).report for each in readings]
    if not any(each.accepted_rows for each in reports):
        message = next((each.message for each in reports if each.message), "none of these files has a reading")
        raise BadInput(message, reason="no_readings", mend="go back, and answer what is asked of the columns")
    target = project.project.sites_dir / f"{draft.site.site_id}.yaml"
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(draft.text)
    except FileExistsError:
        if target.read_text(encoding="utf-8") != draft.text:
            raise BadInput(
                f"a site called {draft.site.name!r} is there already", reason="exists", mend="choose another name"
            ) from None
    # The example that a new project begins with stands for no site, as long as nobody changed it.
    example = target.with_name("my_site.yaml")
    with suppress(FileNotFoundError):
        if example != target and example.read_bytes() == (STARTER / "site.yaml").read_bytes():
            example.unlink()
    answer = ingest(WebCall(ctx), readings, draft.site.site_id)
    for path, bill in bills.items():
        keep_bill(ctx, draft.site, path, bill)
    calculate(ctx, draft.site.site_id, answer)
    return draft.site.site_id


def _rows(ctx: Context, files: Sequence[Path], draft: Drafted) -> Iterator[pl.DataFrame]:
    for path in files:
        with suppress(BadInput):
            if path not in draft.refused and path.suffix.lower() not in TARIFFS:
                yield read_file(path, site=draft.site, now_utc=ctx.now_utc).rows
