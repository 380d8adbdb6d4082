"""The EnPI guide's baseline and performance, field for field: training, report of a period, index by quarter.

What it calls compliance is our signed status; numbers are unrounded, and null where a span cannot be assessed.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from pydantic import Field
from starlette.responses import JSONResponse, Response

from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model, plain
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Period, months_of, parse_period, whole_quarters
from orchestration.web.api.jobs_api import answer_of
from orchestration.web.queries import asking
from orchestration.web.request_context import Context, requires
from orchestration.web.work import Outcome, work_of
from reports.assess import Asking, Quarter, UseRequest, enb_of, quarters, use_request
from reports.pages.address import why_measure
from reports.pages.energy_uses import formula_of
from reports.recompute.figure_sources import seu_of

router = APIRouter(prefix="/api/v1")
SHARED, TAKES = ("as_of", "locale"), ("seu_id", "start_year", "end_year", "baseline_version")
MEASURES = ("actual_kwh", "expected_kwh", "delta_kwh", "deviation_percent", "enpi_index")
# The guide's names of a month's numbers.
IN_QUARTERS = {"enpi": "enpi_index", "deviation_percent": "deviation_percent"}
IN_MONTHS = {"actual": "actual_kwh", "expected": "expected_kwh", "deviation": "deviation_percent"}
# It is caused by the load itself: a baseline of it would explain the load by the load.
BARRED_FEATURE = "machine_temp_c"
# The guide's names of drivers, by the unit that such a driver of ours is metered in.
FEATURES = {"production_count": "count", "avg_temp_c": "degc", "operating_hours": "h"}
Year = Field(ge=1900, le=2200)


class Training(Model):
    """A training as the guide asks for it; end_date is its last day. features: all drivers of the use, by name."""

    seu_id: str = Field(max_length=130)
    baseline_year: int = Year
    start_date: date
    end_date: date
    features: tuple[str, ...] = Field(default=(), max_length=50)


class Performance(Model):
    """A report as the guide asks for it, against the baseline that was trained on that year."""

    seu_id: str = Field(max_length=130)
    report_year: int = Year
    baseline_year: int = Year
    period: Literal["Q1", "Q2", "Q3", "Q4", "annual"]


@router.post("/baseline/seu/train")
def train(
    training: Training,
    idempotency_key: Annotated[str, Header(max_length=128)] = "",
    ctx: Context = requires(Permission.BASELINE_CREATE, shared=()),
) -> Response:
    """Fit and register the use's baseline by `meterloom baseline fit`, in a process of its own."""
    site, seu = _use(ctx, training.seu_id)
    if training.end_date < training.start_date or training.start_date.year != training.baseline_year:
        raise BadInput("start_date lies in baseline_year, and end_date is not before it", reason="bad_period")
    # Raises BadInput where the asked drivers are not those that the site file gives the use, with their reasons.
    features = training.features
    if BARRED_FEATURE in features:
        raise BadInput(
            f"{BARRED_FEATURE} is no driver: the load itself warms the machine", reason="endogenous_driver",
            mend="take the outdoor temperature",
        )  # fmt: skip
    units = {driver.driver_id: driver.unit for driver in site.drivers}
    own = {each.driver_id for each in seu.drivers}
    named = set()
    for name in features:
        meant = {name} & own or {each for each in own if units.get(each) == FEATURES.get(name)}
        if len(meant) != 1:
            known = ", ".join(sorted(own)) or "none"
            raise BadInput(
                f"{name[:64]!r} is no driver of {seu.seu_id!r}; its drivers are {known}", reason="unknown_driver"
            )
        named |= meant
    if features and named != own:
        left = ", ".join(sorted(own - named))
        raise BadInput(
            f"the site file gives {seu.seu_id!r} the drivers {left} too, each with its reason", reason="unknown_driver",
            mend="name them all, or change the site file",
        )  # fmt: skip
    span = f"{training.start_date}/{training.end_date + timedelta(days=1)}"
    person_id, use = ctx.person.person_id, ("--site", site.site_id, "--seu", seu.seu_id)
    words = ("baseline", "fit", *use, "--train", span, "--as", person_id)
    work = work_of(ctx.project)
    job = work.ask(words, person_id=person_id, now_utc=ctx.now_utc, key=idempotency_key)
    return answer_of(job, lambda outcome: _trained(outcome, ctx, training.seu_id))


def _trained(outcome: Outcome, ctx: Context, seu_id: str) -> dict[str, Any]:
    site, seu = _use(ctx, seu_id)
    found = outcome.result.get("baselines") or []
    if not found:
        raise BadInput(
            f"no baseline was fitted for {seu_id}: its training days lack readings or drivers", reason="no_fit"
        )
    version = ctx.project.baselines.get(enb_of(site, seu), int(found[-1]["version"]))
    return {
        "success": True,
        "seu_id": seu_id,
        "r_squared": version.baseline.statistics.r2,
        "rmse": version.baseline.statistics.rmse_dof,
        "coefficients": {term.name: term.value for term in version.baseline.coefficients},
        "formula": formula_of(version),
        "baseline_version": version.version,
        "status": version.status.value,
        "findings": [each.model_dump(mode="json") for each in version.baseline.findings],
        "digest": version.baseline.dataset_digest,
    }


@router.post("/reports/seu-performance")
def performance(question: Performance, ctx: Context = requires(Permission.REPORT_READ, shared=SHARED)) -> Response:
    """A use against the baseline of a year, over a quarter or a year."""
    site, seu = _use(ctx, question.seu_id)
    site_asking = asking(ctx.of(site=site.site_id))
    label = str(question.report_year) + ("" if question.period == "annual" else f"-{question.period}")
    span = parse_period(label, site.time_zone)
    version = _of_year(site_asking, seu, question.baseline_year)
    use = UseRequest(site, seu, version, site_asking.sources, site_asking.as_of_utc, site_asking.marts_dir)
    made: list[Figure] = []
    found = quarters(use, [span, *months_of(span)], measures=MEASURES, book=made.extend)
    ids = ctx.project.store_figures(made, ctx.clock)
    whole = next((each for each in found if each.period == span), None)
    report = {
        "seu_name": seu.name,
        "period": label,
        "actual_consumption": _value(whole, "actual_kwh"),
        "expected_consumption": _value(whole, "expected_kwh"),
        "deviation_kwh": _value(whole, "delta_kwh"),
        "deviation_percent": _value(whole, "deviation_percent"),
        "compliance_status": "not_assessable" if whole is None else whole.result.status,
        "reason": "no_readings" if whole is None else whole.result.reason,
        "breakdown": {
            f"{each.period.start:%b}".lower(): {name: _value(each, measure) for name, measure in IN_MONTHS.items()}
            for each in found
            if each.period != span
        },
        "baseline_version": version.version,
        "findings": [] if whole is None else list(whole.result.review_flags),
        "why": _why(ctx, site, seu, "deviation_percent", span, version),
        "figures": {
            f"{each.period.start:%b}".lower() if each.period != span else "period": {
                measure: ids.of(each.figures[measure]) for measure in MEASURES
            }
            for each in found
        },
    }
    return JSONResponse(plain({"success": True, "report": report}))


def _value(quarter: Quarter | None, measure: str) -> Decimal | None:
    """A number of a span; null where nothing may be judged."""
    return None if quarter is None or quarter.result.status == "not_assessable" else quarter.figures[measure].value


@router.get("/analytics/enpi")
def enpi(ctx: Context = requires(Permission.BASELINE_READ, takes=TAKES, shared=SHARED)) -> Response:
    """The index of each quarter of some years by one version: that in force, where none is named."""
    part = ctx.address.part
    site, seu = _use(ctx, part("seu_id"))
    years = [_year(part(name), name) for name in ("start_year", "end_year")]
    if not 0 <= years[1] - years[0] <= 20:
        raise BadInput("end_year is not before start_year, and at most 20 years after it", reason="bad_period")
    site_asking = asking(ctx.of(site=site.site_id))
    use = use_request(site_asking, seu.seu_id, part("baseline_version"))
    span = parse_period(f"{years[0]}-01-01/{years[1] + 1}-01-01", site.time_zone)
    made: list[Figure] = []
    found = quarters(use, whole_quarters(span), measures=MEASURES, book=made.extend)
    ids = ctx.project.store_figures(made, ctx.clock)
    data = [
        {
            "year": each.period.start.year,
            "quarter": each.name,
            "enpi": _value(each, "enpi_index"),
            "deviation_percent": _value(each, "deviation_percent"),
            "baseline_version": each.result.baseline_version or None,
            "compliance_status": each.result.status,
            "why": _why(ctx, site, seu, "enpi_index", each.period, use.version),
            "figures": {name: ids.of(each.figures[m]) for name, m in IN_QUARTERS.items()},
        }
        for each in found
    ]
    return JSONResponse(plain({"success": True, "data": data}))


def _why(ctx: Context, site: Site, seu: Seu, measure: str, span: Period, version: BaselineVersion | None) -> str:
    named = "" if version is None else f"{version.baseline_id}@{version.version}"
    plain_address = ctx.address.model_copy(update={"more": (), "site": ""})
    return why_measure(plain_address, site.site_id, seu.seu_id, measure, span, named)


def _use(ctx: Context, name: str) -> tuple[Site, Seu]:
    """The use `site/seu`. Raises BadInput."""
    site_id, stroke, seu_id = name.partition("/")
    if not stroke:
        raise BadInput(f"seu_id reads site/use, such as factory/compressors; got {name[:64]!r}", reason="unknown_seu")
    site = ctx.of(site=site_id).site()
    return site, seu_of(site, seu_id)


def _year(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) == 4):
        raise BadInput(f"{name} is a year such as 2025, got {text[:20]!r}", reason="bad_period")
    return int(text)


def _of_year(site_asking: Asking, seu: Seu, year: int) -> BaselineVersion:
    """The approved version that was trained on that year, else the newest that was. Raises BadInput (no_baseline)."""
    every = site_asking.sources.baselines.line(enb_of(site_asking.site, seu), as_of_utc=site_asking.as_of_utc)
    known = [each for each in every if each.status is not BaselineStatus.REJECTED]
    found = [each for each in known if each.baseline.train_start.year == year]
    approved = [each for each in found if each.status is BaselineStatus.APPROVED]
    if not found:
        raise BadInput(f"{seu.seu_id!r} has no baseline that was trained on {year}", reason="no_baseline")
    return (approved or found)[-1]
