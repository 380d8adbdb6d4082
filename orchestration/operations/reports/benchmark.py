"""`meterloom benchmark`: sites beside their peers by kWh/m², with ranks and their intervals. Nothing is stored."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import parse_period
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table, finding_lines
from orchestration.operations.operation import READS, Call, Option, Written, operation
from orchestration.operations.options import AnyPeriodOption, MapOption, column_map, organisation_span, write_file
from orchestration.views.pack_subjects import EVERY_SITE

if TYPE_CHECKING:
    import polars as pl

    from assets.kpi.benchmark.compare import Benchmark
    from assets.kpi.benchmark.intensity import Intensity
    from assets.kpi.benchmark.register import GroupBy, RegisteredSite

GROUPS = ("use", "size", "climate", "all")
NORMALISED = ("weather", "hours")
ROWS = (
    "site | group | kWh/m²·yr: {value:,.1f} | rank: {place} | between: {ranks} | percentile: {percentile:.0f} "
    "| read: {coverage:.0%} | why none: {reason:|} | reference: {reference:|}"
)


@dataclass(frozen=True, kw_only=True)
class BenchmarkOptions:
    """Options of a benchmark: sites, peer groups, normalisation, confidence."""

    energy: Annotated[Path | None, Option("Energy of all sites: site,timestamp,kwh.")] = None
    register: Annotated[Path | None, Option("Sites: site,use,floor_area_m2[,climate,hours_per_week,weather].")] = None
    organisation: Annotated[str | None, Option("Sites it owns through the period; all: every site of the project.")] = (
        None
    )
    period: AnyPeriodOption = None
    by: Annotated[list[str] | None, Option("Peers by use, size, climate, or all. Repeatable; use if left out.")] = None
    normalise: Annotated[list[str] | None, Option("By weather (with --weather) or hours. Repeatable.")] = None
    weather: Annotated[Path | None, Option("Weather of all sites or stations: station,timestamp,temp_degc.")] = None
    reference: Annotated[Path | None, Option("Published values: use,percentile,kwh_per_m2,source,as_of.")] = None
    anonymous: Annotated[Path | None, Written("Write the ranked rows to this CSV file, without names.")] = None
    mapping: MapOption = None
    weather_map: Annotated[Path | None, Option("Column map (YAML) of the weather file.")] = None
    tz: Annotated[str, Option("Zone of times with an offset; others are each site's own clock.")] = "UTC"
    drift: Annotated[float, Option("Assumed drift of a building from year to year, 0–1.")] = 0.08
    confidence: Annotated[float, Option("Of the intervals, 0.5 to 0.99.")] = 0.9
    seed: Annotated[int, Option("Of the intervals' draws.")] = 7

    @property
    def groups(self) -> "list[GroupBy]":
        """By what peers are divided. Raises BadInput."""
        return cast("list[GroupBy]", _of(self.by or ["use"], GROUPS, "--by"))


@operation("benchmark", takes=READS, example="--energy meters.csv --register sites.csv --period 2025 --json")
def benchmark(call: Call, options: BenchmarkOptions) -> Answer:
    """Rank sites among their peers by energy per floor area, with intervals; fewer than five peers have no rank.

    Intervals hold the rank that another year would give: months are drawn again, and buildings drift as assumed.
    """
    from assets.kpi.benchmark.compare import benchmark as benchmark_of
    from assets.kpi.benchmark.intensity import intensities
    from assets.kpi.benchmark.register import read_reference, read_register

    if (options.energy is None) == (options.organisation is None):
        raise BadInput("give --energy FILE with --register FILE, or --organisation O", reason="bad_request")
    if not 0.5 <= options.confidence <= 0.99:
        raise BadInput(f"--confidence {options.confidence:g}: expected 0.5 to 0.99", reason="bad_number")
    groups = options.groups
    known, findings = read_register(options.register) if options.register is not None else ({}, [])
    references = read_reference(options.reference) if options.reference is not None else []
    if options.energy is not None:
        rows, more = _of_file(options, options.energy, known)
        findings += more
    else:
        known, rows = _of_project(call, options.organisation or "", options.period, known)
    found = intensities(rows, known)
    factors, more = _factors(options, rows, found, known)
    answer = benchmark_of(
        found, known, by=groups, factors=factors, references=references, drift=options.drift,
        confidence=options.confidence, seed=options.seed,
    )  # fmt: skip
    ordered = sorted((*findings, *more, *answer.findings), key=lambda finding: not finding.is_blocking)
    answer = answer.model_copy(update={"findings": tuple(ordered)})
    if options.anonymous is not None:
        _write_anonymous(options.anonymous, answer)
    has_value = any(row.value is not None for row in answer.rows)
    return Answer(answer, _tables(answer), exit_code=DONE if has_value else CHECK_FAILED)


def _of(given: Sequence[str] | None, known: Sequence[str], option: str) -> list[str]:
    """Chosen names in the order of the known ones. Raises BadInput."""
    wanted = {part.strip() for text in given or () for part in text.split(",")}
    wrong = sorted(wanted - set(known))
    if wrong:
        raise BadInput(f"{option} {wrong[0]!r}: expected {', '.join(known)}", reason="bad_request")
    return [name for name in known if name in wanted]


def _of_file(
    options: BenchmarkOptions, energy: Path, known: Mapping[str, "RegisteredSite"]
) -> "tuple[pl.DataFrame, list[Finding]]":
    """The rows of the period, and what is in only one of the two files."""
    import polars as pl

    from ml.baselines.usage_tables.read_sites import read_sites

    if not known:
        raise BadInput("a file of meters needs --register FILE: what they are used for, and m²", reason="bad_request")
    rows, findings = read_sites(energy, column_map(options.mapping), zone=options.tz)
    if options.period is not None:
        span = parse_period(options.period, options.tz)
        rows = rows.filter(pl.col("local_start").dt.date().is_between(span.start, span.end, closed="left"))
    if rows.is_empty():
        raise BadInput(f"has no reading in {options.period}", file=str(energy), reason="no_rows")
    unknown = sorted(set(rows["site"].unique()) - set(known))
    if unknown:
        message = f"{len(unknown)} meters are in no register and left out: {', '.join(unknown[:5])}."
        findings = [*findings, Finding(code="not_registered", message=message, facts={"count": len(unknown)})]
    return rows.filter(pl.col("site").is_in(list(known))), findings


def _of_project(
    call: Call, organisation: str, period: str | None, given: "Mapping[str, RegisteredSite]"
) -> "tuple[dict[str, RegisteredSite], pl.DataFrame]":
    """The project's sites as a register, and their quarter hours. A register says what site files do not: the use."""
    import polars as pl

    from assets.kpi.benchmark.own_sites import hours_through, owned_through, quarters, registered
    from assets.kpi.from_readings import scope_meters
    from assets.sites.view import site_readings

    if period is None:
        raise BadInput("--organisation needs --period", reason="bad_period")
    as_of_utc = call.as_of_or_now
    register, parts = {}, []
    # Uses as the organisation names them: of all sites of the project, or of those that it owns through the period.
    uses, hours = dict.fromkeys(call.project.sites, ""), {}
    if organisation != EVERY_SITE:
        owned = organisation_span(call, organisation, period)
        uses, hours = owned_through(*owned), hours_through(*owned)
    for name, use in uses.items():
        site = call.project.site(name)
        span = parse_period(period, site.time_zone)
        own = registered(site, use, span, hours.get(name))
        register[name] = given.get(name, own).model_copy(update={"floor_area_m2": own.floor_area_m2})
        readings = site_readings(
            call.project.lake, site, start_utc=span.start_utc, end_utc=span.end_utc, as_of_utc=as_of_utc,
            meters=scope_meters(site, f"site:{name}"),
        )  # fmt: skip
        parts.append(quarters(site, span, readings))
    return register, pl.concat(parts)


def _factors(
    options: BenchmarkOptions, rows: "pl.DataFrame", found: "Sequence[Intensity]", known: "Mapping[str, RegisteredSite]"
) -> tuple[dict[str, Mapping[str, float]], list[Finding]]:
    """By what is normalised -> site -> its factor, and what is to be said of sites without one."""
    from assets.kpi.benchmark.compare import hours_factors

    wanted = _of(options.normalise, NORMALISED, "--normalise")
    factors: dict[str, Mapping[str, float]] = {}
    findings: list[Finding] = []
    if "weather" in wanted:
        if options.weather is None:
            raise BadInput("--normalise weather needs --weather FILE", reason="bad_request")
        factors["weather"], findings = _weather(options, options.weather, rows, found, known)
    if "hours" in wanted:
        factors["hours"] = hours_factors(found, known)
    return factors, findings


def _weather(
    options: BenchmarkOptions,
    weather: Path,
    rows: "pl.DataFrame",
    found: "Sequence[Intensity]",
    known: "Mapping[str, RegisteredSite]",
) -> tuple[dict[str, float], list[Finding]]:
    """Site -> its factor to the mean weather of its group."""
    import polars as pl

    from assets.kpi.benchmark.register import group_of
    from ml.baselines.savings.other_weather import weather_factors
    from ml.baselines.usage_tables.read_sites import read_stations
    from ml.baselines.usage_tables.usage_table import usage_of

    stations = {site: each.station or site for site, each in known.items()}
    table = read_stations(weather, column_map(options.weather_map), zone=options.tz)
    parts = {str(name): part.drop("station") for (name,), part in table.partition_by("station", as_dict=True).items()}
    usages, peers = {}, dict[str, list[str]]()
    for each in found:
        if each.value is None or stations[each.site] not in parts:
            continue
        readings = rows.filter(pl.col("site") == each.site).select("start_utc", "minutes", energy_kwh="kwh")
        usages[each.site] = usage_of(
            readings, temperatures=parts[stations[each.site]], frequency="daily", zone=options.tz, zero_is_missing=True
        )
        peers.setdefault(group_of(known[each.site], options.groups), []).append(each.site)
    return weather_factors(usages, stations, list(peers.values()))


def _write_anonymous(path: Path, found: "Benchmark") -> None:
    from assets.kpi.benchmark.compare import anonymous_rows
    from reports.pages.energy import defused

    rows = anonymous_rows(found)
    if not rows:
        raise BadInput("no group has five peers: there is nothing to export without names", reason="too_few_peers")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(row | {"group": defused(str(row["group"]))} for row in rows)
    write_file(path, text.getvalue().encode())


def _tables(found: "Benchmark") -> list[Table | str]:
    """Findings that stop a rank stand first."""
    table = Table(
        [row.model_dump() for row in found.rows],
        ROWS,
        place=lambda row: "-" if row["rank"] is None else f"{row['rank']} of {row['peers']}",
        ranks=lambda row: "-" if row["rank_interval"] is None else "{} and {}".format(*row["rank_interval"]),
    )
    stops = [each for each in found.findings if each.is_blocking]
    others = [each for each in found.findings if not each.is_blocking]
    summary = (
        f"rank 1 is the least; ranks of another year at {found.confidence:.0%}, with months drawn again and an assumed "
        f"drift of {found.assumed_drift:.0%} between years"
    )
    return [*finding_lines(stops, ""), *([""] if stops else []), table, summary, *finding_lines(others)]
