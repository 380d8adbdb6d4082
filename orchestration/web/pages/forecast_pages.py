"""/forecast: what is forecast of a site, what came of it, and how good that was."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from assets.sites.view import site_readings
from data_quality.contracts.access.permissions import Permission
from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_day, local_midnight_utc
from orchestration.web.draw import draw
from orchestration.web.pages.job_pages import job_form, lack
from orchestration.web.queries import whole_site
from orchestration.web.request_context import MORE, Context, Nav, requires
from reports.pages.energy_uses import FORECASTS
from reports.pages.forecasts import TAKES, ForecastData, Step, forecast_page

if TYPE_CHECKING:
    from ml.forecasts.targets import Target

router = APIRouter()
NAV = Nav(31, FORECASTS, "Forecast", Permission.FORECAST_READ, "activity", MORE)
# Before the newest issue.
DAYS_BEFORE = timedelta(days=3)


@router.get(FORECASTS, response_class=HTMLResponse)
def forecast(ctx: Context = requires(Permission.FORECAST_READ, takes=TAKES, shared=("site", "locale"))) -> Response:
    """One forecast of a site."""
    site = whole_site(ctx)
    address = ctx.address.model_copy(update={"site": site.site_id})
    return draw(ctx, forecast_page(_forecast_data(ctx, site), address))


def _forecast_data(ctx: Context, site: Site) -> ForecastData:
    # Only here: who asks for other pages waits for nothing that forecasts.
    from ml.forecasts.lifecycle.issued_scores import coverage_by_day, lead_means
    from ml.forecasts.targets import targets_of

    known = {each.name: each for each in targets_of(site)}
    titles = [(name, _title(site, each)) for name, each in known.items()]
    name = ctx.address.part("target") or next(iter(known), "")
    if name and name not in known:
        mend = did_you_mean(name, list(known))
        raise BadInput(f"site {site.site_id} forecasts no {name[:60]!r}", reason="unknown_item", mend=mend)
    store = ctx.project.forecasts
    latest = store.latest(site.site_id, name) if name else None
    if latest is None:
        lacks = lack(ctx, site, "" if name else "forecast")
        return ForecastData(site, titles, name, run=job_form(ctx, site, FORECASTS), lacks=lacks)
    scores = store.scores(site.site_id, name)
    decided = [(row["recorded_at_utc"], row["decision"]) for row in store.promotions()]
    family = known[name].family
    return ForecastData(
        site, titles, name, latest=latest, steps=_steps(ctx, site, known[name], latest), day=_first_day(site, latest),
        leads=lead_means(scores), coverage=coverage_by_day(scores), names=ctx.project.names,
        decisions=[each for each in decided if str(each[1].get("model", "")).startswith(f"{family}.")],
    )  # fmt: skip


def _title(site: Site, target: "Target") -> str:
    """The target in words, its meter or driver by name."""
    if target.stream is None:
        return target.title
    register = target.stream.target.partition(".")[2]
    called = site.stream_name(target.stream.stream_id)
    return target.title.replace(target.stream.target, f"{called}, {register}" if register else called)


def _first_day(site: Site, latest: Forecast) -> tuple[date, tuple[float, float, float]] | None:
    """The first local day that the forecast holds whole, and quantiles of its sum."""
    days = dict[date, list[datetime]]()
    for row in latest.rows:
        days.setdefault(local_day(row.time_utc, site.time_zone), []).append(row.time_utc)
    for day, starts in days.items():
        after = local_midnight_utc(day + timedelta(days=1), site.time_zone)
        length = after - local_midnight_utc(day, site.time_zone)
        found = latest.quantiles_of(starts) if len(starts) * timedelta(minutes=latest.step_minutes) == length else None
        if found is not None:
            return day, found
    return None


def _steps(ctx: Context, site: Site, target: "Target", latest: Forecast) -> list[Step]:
    """The days before the newest issue, and its own steps."""
    since = latest.rows[0].time_utc - DAYS_BEFORE
    until = latest.rows[-1].time_utc + target.step
    issued = ctx.project.forecasts.issued(site.site_id, target.name, since_utc=since - target.horizon)
    before = {row.time_utc: row for row in _as_known(site, [each for each in issued if not each.is_shadow])}
    ahead = {row.time_utc: row for row in latest.rows}
    came = dict(_came(ctx, site, target, since, min(until, ctx.now_utc)))
    steps = sorted({*came, *(at for at in before if since <= at), *ahead})
    return [Step(at, came.get(at), before.get(at) or ahead.get(at)) for at in steps]


def _as_known(site: Site, issued: Sequence[Forecast]) -> Iterator[ForecastRow]:
    """Of each step the row of the forecast that was issued last before its local day began."""
    for each in issued:
        for row in each.rows:
            day = local_day(row.time_utc, site.time_zone)
            if each.issued_at_utc <= local_midnight_utc(day, site.time_zone):
                yield row


def _came(
    ctx: Context, site: Site, target: "Target", since: datetime, until: datetime
) -> Iterator[tuple[datetime, float]]:
    """Measured values of the target by its steps; none for a target without a stream."""
    from ml.features.series import series_of

    if target.stream is None or target.is_daily or until <= since:
        return
    stream = target.stream.stream_id
    rows = site_readings(ctx.project.lake, site, start_utc=since, end_utc=until, meters=[stream])
    series = series_of(rows, site=site, stream=target.stream, end_utc=until, step=target.step)
    for at, value in enumerate(series.values.tolist()):
        if value == value:  # noqa: PLR0124 - not a number where a step is not whole
            yield series.time(at), value
