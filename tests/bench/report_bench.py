"""Reports: seconds to build and to render for a site of 50 meters and three years, and against the usual tools.

Run: python -m tests.bench.report_bench [FOLDER]; a folder keeps the data for the next run. Wall seconds have the
machine's other load in them, CPU seconds have not.
"""

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assets.kpi.enpi.daily import expected_days
from assets.kpi.incremental.mart_sources import source_tables
from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.transactions import open_store
from assets.stores.warehouse.marts import ENPI_MARTS, KPI_MARTS
from assets.stores.warehouse.warehouse import WarehouseTarget, load_sources, publish_marts
from data_quality.contracts.baselines.baseline import Baseline
from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Driver, EmissionFactorEntry, Seu, SeuDriver, Site
from data_quality.contracts.time import FixedClock, local_midnight_utc, parse_period
from reports.assess import baselines_in_force
from reports.content.template_report import datasets_of, template_report
from reports.content.templates import load_template
from reports.datasets.base import ReportInput
from reports.datasets.dataset_registry import make_datasets
from reports.recompute.figure_sources import Sources
from reports.render.render_json import render_json
from reports.render.render_pdf import render_pdf
from reports.render.render_xlsx import render_xlsx
from reports.report_content import Chart, Paragraph, ReportContent, Section, Series
from tests.dbt.by_dbt import run_dbt
from tests.definitions import DEFINITIONS
from tests.reports import plant

METERS, USES, FIRST, LAST = 50, 10, date(2023, 1, 1), date(2026, 1, 1)
CLOCK = FixedClock(datetime(2026, 1, 10, tzinfo=UTC))
AS_OF = datetime(2026, 1, 11, tzinfo=UTC)
REPORTS = (
    ("executive_summary", "2025"),
    ("ghg_inventory", "2025"),
    ("data_quality", "2025"),
    ("enpi_year", "2025"),
    ("seu_savings", "2025"),
    ("disclosure_energy", "2025"),
    ("enpi_quarter", "2025-Q4"),
)


def site_of(meters: int = METERS) -> Site:
    """A main meter over the others, ten uses of five meters each, one driver."""
    base = plant.plant_site()
    names = [f"m{number:02d}" for number in range(meters - 1)]
    uses = [
        Seu(
            seu_id=f"use_{part}",
            name=f"Use {part}",
            meters=tuple(names[part::USES]),
            drivers=(SeuDriver(driver_id="pieces", justification="drives the load"),),
        )
        for part in range(USES)
    ]
    long = {"valid_from": FIRST, "valid_to": LAST}
    factor = EmissionFactorEntry(factor_id="grid", kgco2e_per_kwh=0.363, source="bench", **long)
    fields: dict[str, Any] = {
        "meters": (Meter(meter_id="main"), *(Meter(meter_id=name, parent="main") for name in names)),
        "seus": tuple(uses),
        "drivers": (Driver(driver_id="pieces", unit="count", aggregation="sum"),),
        "tariffs": (base.tariffs[0].model_copy(update=long),),
        "factors": (factor,),
    }
    return Site.model_validate({**dict(base), **fields})


def fill(root: Path, site: Site) -> tuple[Lake, BaselineStore]:
    """Three years of readings, and an approved baseline for each use."""
    store = open_store(f"sqlite:///{root / 'store.db'}")
    lake, baselines = Lake(root / "lake", store), BaselineStore(store)
    streams = [meter.meter_id for meter in site.meters]
    rng = np.random.default_rng(1)
    for year in range(FIRST.year, LAST.year):
        frame = year_rows(streams, year, rng)
        info = BatchInfo(
            site_id=site.site_id, source_name=f"{year}.csv", source_sha256=f"{year:064d}", reader="csv",
            reader_version="1", accepted_rows=frame.height, rejected_rows=0, is_synthetic=False,
        )  # fmt: skip
        lake.write_batch(info, frame, unchanged_rows=0, clock=CLOCK)
    anna = Person(person_id="anna", name="Anna", roles=(Role.APPROVER,))
    for seu in site.seus:
        version = baselines.add(_baseline(seu.seu_id), "run", "0" * 64, "ben", CLOCK)
        baselines.approve(version.baseline_id, version.version, anna, "bench", {}, CLOCK)
    return lake, baselines


def year_rows(streams: Sequence[str], year: int, rng: np.random.Generator, site_id: str = "plant") -> pl.DataFrame:
    """Quarter hours of a local year, of these meters and of the driver."""
    start, end = (local_midnight_utc(date(each, 1, 1), plant.ZONE) for each in (year, year + 1))
    slots = int((end - start) / timedelta(minutes=15))
    at = pl.datetime_range(start, end, "15m", closed="left", eager=True, time_zone="UTC")
    parts = []
    for name in [*streams, "pieces"]:
        is_driver = name == "pieces"
        values = np.round(rng.uniform(1, 3, slots) * (len(streams) if name == "main" else 1), 3)
        parts.append(
            pl.DataFrame(
                {
                    "site_id": site_id, "meter_id": name, "register": "value" if is_driver else "import",
                    "interval_start_utc": at, "interval_minutes": 15, "source_minutes": 15,
                    "value": np.full(slots, 40.0) if is_driver else values, "unit": "count" if is_driver else "kwh",
                    "quality_code": 0, "source_line": 1, "is_synthetic": False, "is_correction": False,
                }
            )
        )  # fmt: skip
    schema = {name: LAKE_SCHEMA[name] for name in LAKE_SCHEMA if name not in {"batch_id", "recorded_at_utc"}}
    rows = pl.concat(parts).cast({name: dtype for name, dtype in schema.items() if name in parts[0].columns})
    return rows.select([*schema, "is_correction"]).sort("meter_id", "register", "interval_start_utc")


def _baseline(seu_id: str) -> Baseline:
    return plant.plant_baseline("moulding").model_copy(update={"seu_id": seu_id, "train_start": FIRST})


def publish(root: Path, site: Site, lake: Lake, baselines: BaselineStore) -> Path:
    """The marts of the site, as dbt makes them."""
    sources = Sources(lake=lake, sites={site.site_id: site}, definitions=DEFINITIONS)
    whole = parse_period(f"{FIRST}/{LAST}", plant.ZONE)
    frames = []
    for seu_id, version in baselines_in_force(site, baselines).items():
        days = sources.days(site, seu_id, whole, AS_OF)
        frames.append(
            expected_days(version.baseline, days).drop_nulls("expected_kwh").select(
                site_id=pl.lit(site.site_id), seu_id=pl.lit(seu_id), local_date="local_date",
                baseline_id=pl.lit(version.baseline_id), baseline_version=pl.lit(version.version, dtype=pl.Int32),
                expected_kwh="expected_kwh",
            )
        )  # fmt: skip
    target = WarehouseTarget(duckdb_file=root / "warehouse.duckdb")
    load_sources(target, source_tables({site.site_id: site}, lake, pl.concat(frames)))
    outcome = run_dbt(["run"], target=target, state_dir=root / "dbt")
    if not outcome.is_success:
        raise AssertionError(outcome.failed)
    publish_marts(target, root / "marts", tuple(KPI_MARTS | ENPI_MARTS))
    return root / "marts"


def clocked(work: Callable[[], Any]) -> tuple[Any, float, float]:
    """Answer, wall seconds, CPU seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    return answer, time.perf_counter() - wall, time.process_time() - cpu


def content_of(
    name: str, period: str, *, site: Site, lake: Lake, baselines: BaselineStore, marts: Path | None
) -> ReportContent:
    """One report's content with nothing read before."""
    sources = Sources(lake=lake, sites={site.site_id: site}, definitions=DEFINITIONS)
    versions, span = baselines_in_force(site, baselines), parse_period(period, plant.ZONE)
    template = load_template(name)
    seu = site.seus[0] if template.subject == "seu" else None
    report_input = ReportInput(
        site=site, period=span, as_of_utc=AS_OF, sources=sources, seu=seu,
        marts_dir=marts,
        versions={key: each for key, each in versions.items() if seu is None or key == seu.seu_id},
    )  # fmt: skip
    return template_report(
        template, report_input, revision=1, datasets=make_datasets(report_input, datasets_of(template))
    )


def bench_reports(root: Path) -> list[dict[str, Any]]:
    """Content and every format of every report, and twenty sites' summaries in a row."""
    site = site_of()
    marts = root / "marts"
    if marts.exists():
        store = open_store(f"sqlite:///{root / 'store.db'}")
        lake, baselines = Lake(root / "lake", store), BaselineStore(store)
    else:
        lake, baselines = fill(root, site)
        publish(root, site, lake, baselines)
    options: dict[str, Any] = {"site": site, "lake": lake, "baselines": baselines, "marts": marts}
    # What is imported when first needed is no report's time.
    for render in (render_pdf, render_xlsx, render_json):
        render(content_of("seu_savings", "2025-01", **options))
    found, contents = list[dict[str, Any]](), list[ReportContent]()
    for name, period in REPORTS:
        content, wall, cpu = clocked(lambda: content_of(name, period, **options))  # noqa: B023
        contents.append(content)
        row = {"report": name, "figures": len(content.figures), "content_s": wall, "content_cpu_s": cpu}
        for label, render in (("pdf", render_pdf), ("xlsx", render_xlsx), ("json", render_json)):
            _, wall, cpu = clocked(lambda: render(content))  # noqa: B023
            row |= {f"{label}_s": wall, f"{label}_cpu_s": cpu}
        found.append(row)
    found.append(cost_of_tags([*contents, chart_pages()]))
    _, _, cpu = clocked(lambda: [render_pdf(content_of("executive_summary", "2025", **options)) for _ in range(20)])
    found.append({"report": "20 executive summaries", "cpu_s": cpu, "1000_on_2_cores_min": cpu / 20 * 1000 / 2 / 60})
    lake.store.close()
    return found


def chart_pages(charts: int = 8, pages: int = 10) -> ReportContent:
    """Ten pages, eight of them with a chart of two years by day."""
    rng = np.random.default_rng(2)
    days = tuple((date(2024, 1, 1) + timedelta(days=day)).isoformat() for day in range(730))
    sections = []
    for page in range(pages):
        text = Paragraph(text="Energy of every day against what the baseline expects of it. " * 12)
        values = [tuple(float(v) for v in rng.uniform(100, 900, len(days))) for _ in range(2)]
        chart = Chart(
            key=f"c{page}", title="Energy per day", unit="kWh", shape="lines", categories=days,
            series=(
                Series(name="Actual", role="actual", values=values[0]),
                Series(name="Expected", role="expected", values=values[1]),
            ),
        )  # fmt: skip
        blocks = (text, chart) if page < charts else (text,)
        sections.append(Section(key=f"s{page}", title=f"Part {page}", blocks=blocks, starts_page=page > 0))
    return ReportContent(
        report_id="bench/charts", name="bench", title="Charts", site_id="bench", site_name="Bench", period="2025",
        start=date(2025, 1, 1), end=date(2026, 1, 1), time_zone="UTC", locale="en", currency="EUR", revision=1,
        as_of_utc=AS_OF, status="final", is_synthetic=False, findings=(), versions={},
        sections=tuple(sections), figures=(),
    )  # fmt: skip


def with_images(content: ReportContent) -> bytes:
    """The same pages with each chart drawn by matplotlib at 150 dpi and placed as a picture."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from reportlab import rl_config
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import getSampleStyleSheet
    from reportlab.platypus import Image, PageBreak, SimpleDocTemplate
    from reportlab.platypus import Paragraph as Text

    rl_config.useA85 = 1  # as the library is delivered
    style, story, buffer = getSampleStyleSheet()["Normal"], [], io.BytesIO()
    for section in content.sections:
        for block in section.blocks:
            if isinstance(block, Paragraph):
                story.append(Text(block.text, style))
            elif isinstance(block, Chart):
                figure, axes = plt.subplots(figsize=(7, 2.2))
                for series in block.series:
                    axes.plot(range(len(series.values)), series.values, label=series.name)
                axes.legend()
                axes.set_title(block.title)
                picture = io.BytesIO()
                figure.savefig(picture, dpi=150, format="png")
                plt.close(figure)
                picture.seek(0)
                story.append(Image(picture, width=500, height=157))
        story.append(PageBreak())
    SimpleDocTemplate(buffer, pagesize=A4).build(story)
    return buffer.getvalue()


def cost_of_tags(contents: Sequence[ReportContent]) -> dict[str, Any]:
    """CPU seconds and bytes of tagged PDFs over those of the same PDFs without tags; the dearest of them by bytes."""
    seconds, sizes = [0.0, 0.0], list[tuple[int, int]]()
    for content in contents:
        made = [render_pdf(content, is_tagged=is_tagged) for is_tagged in (True, False)]
        sizes.append((len(made[0]), len(made[1])))
        for place, is_tagged in enumerate((True, False)):
            seconds[place] += best(lambda: render_pdf(content, is_tagged=is_tagged))  # noqa: B023
    return {
        "what": "PDF, tagged over untagged", "time_ratio": seconds[0] / seconds[1],
        "bytes_ratio": sum(one for one, _ in sizes) / sum(other for _, other in sizes),
        "most_bytes_ratio": max(one / other for one, other in sizes),
    }  # fmt: skip


def cells_xlsxwriter(rows: Sequence[Sequence[float]]) -> bytes:
    """A sheet of numbers as our workbook writes them."""
    import xlsxwriter

    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True})
    page, style = book.add_worksheet("Figures"), book.add_format({"num_format": "#,##0.000"})
    for index, row in enumerate(rows):
        for column, value in enumerate(row):
            page.write_number(index, column, value, style)
    book.close()
    return buffer.getvalue()


def cells_openpyxl(rows: Sequence[Sequence[float]]) -> bytes:
    """The same sheet by openpyxl."""
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    for index, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            cell = page.cell(row=index, column=column, value=value)
            cell.number_format = "#,##0.000"
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def best(work: Callable[[], Any], times: int = 3) -> float:
    """Least CPU seconds of some runs."""
    return min(clocked(work)[2] for _ in range(times))


def bench_tools() -> list[dict[str, Any]]:
    """Ratios against the usual tools."""
    content = chart_pages()
    render_pdf(content), with_images(content)
    ours, rival = best(lambda: render_pdf(content)), best(lambda: with_images(content))
    rows = np.random.default_rng(3).uniform(0, 1e6, (2000, 10)).tolist()
    cells_xlsxwriter(rows[:10]), cells_openpyxl(rows[:10])
    sheet, other = best(lambda: cells_xlsxwriter(rows)), best(lambda: cells_openpyxl(rows))
    return [
        {"what": "PDF, 10 pages, 8 charts", "ours_cpu_s": ours, "matplotlib_cpu_s": rival, "ratio": rival / ours},
        {"what": "XLSX, 20,000 cells", "ours_cpu_s": sheet, "openpyxl_cpu_s": other, "ratio": other / sheet},
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every measurement."""
    options = argparse.ArgumentParser(description="Reports: content, formats, and the usual tools.")
    options.add_argument("folder", nargs="?", type=Path, help="keeps the site of 50 meters for the next run")
    asked = options.parse_args(arguments)
    rows = bench_tools()
    with tempfile.TemporaryDirectory() as folder:
        kept = asked.folder or Path(folder)
        kept.mkdir(exist_ok=True)
        rows += bench_reports(kept)
    for row in rows:
        line = "  ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
        sys.stdout.write(line + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
