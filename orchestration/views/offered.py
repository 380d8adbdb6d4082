"""Offer to Home Assistant: a site's newest plan with its cost and saving, and its forecasts; and the act."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from assets.stores.ledgers.job_outcomes import TO_MEND, JobOutcome, record_outcomes, withdraw_obstacle
from controls.gateways.mqtt_line import BrokerAddress
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.offer import Offer, Offered
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.settings import HomeAssistantSettings
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

JOB = "offer"
# A day of quarter hours: Home Assistant keeps no attributes of more than 16 kB in its history.
MOST_STEPS = 96


def address_of(settings: HomeAssistantSettings) -> BrokerAddress:
    """The broker that the settings name. Raises BadInput where they name none."""
    if not settings.host:
        raise BadInput(
            "no broker of Home Assistant is named",
            reason="no_broker",
            mend="add home_assistant: {host: ADDRESS} to meterloom.yaml",
        )
    return BrokerAddress(**settings.model_dump(include={"host", "port", "username", "password", "ca_file"}))


def offer_of(project: "OpenProject", site: Site, now_utc: datetime) -> Offer:
    """Everything that is offered of a site. Raises BadInput."""
    # Only here: forecasts come with libraries that load in seconds.
    from ml.forecasts.targets import targets_of

    plan = project.plans.latest(site.site_id)
    found = [project.forecasts.latest(site.site_id, target.name) for target in targets_of(site)]
    figures = [] if plan is None else _of_plan(plan, now_utc)
    figures += [_of_forecast(each, now_utc) for each in found if each is not None]
    return Offer(site_id=site.site_id, site_name=site.name, figures=tuple(figures))


def offers_of(project: "OpenProject", sites: Iterable[Site], now_utc: datetime, *, is_taken_back: bool) -> list[Offer]:
    """An offer for each site, without figures where it is taken back. Raises BadInput."""
    if is_taken_back:
        return [Offer(site_id=site.site_id, site_name=site.name) for site in sites]
    return [offer_of(project, site, now_utc) for site in sites]


def publish(project: "OpenProject", offers: Sequence[Offer], clock: Clock) -> None:
    """Publish the offers; a broker that is away is a finding of each site until it answers. Raises WorldFault."""
    from controls.gateways.foreign.offer_sensors import offer_all

    settings = project.project.settings.home_assistant
    address = address_of(settings)
    try:
        offer_all(address, offers, prefix=settings.prefix)
    except WorldFault as fault:
        sentence = f"{fault}{TO_MEND}home_assistant in meterloom.yaml"
        made = [JobOutcome.of_no_run(JOB, offer.site_id, sentence, clock.now_utc()) for offer in offers]
        record_outcomes(project.store, made, clock)
        raise
    for offer in offers:
        withdraw_obstacle(project.store, JOB, offer.site_id, clock)


def _of_plan(plan: Plan, now_utc: datetime) -> list[Offered]:
    """The power planned at the connection now, what the plan costs, and by how much less than with nothing planned."""
    now = plan.step_at(now_utc)
    coming = [step for step in plan.steps if step.end_utc > now_utc][:MOST_STEPS]
    about: dict[str, Any] = {
        "plan_id": plan.plan_id,
        "version": plan.version,
        "made_at": plan.created_at_utc.isoformat(),
        "from": plan.steps[0].start_utc.isoformat(),
        "to": plan.steps[-1].end_utc.isoformat(),
        "is_synthetic": plan.request.is_synthetic,
    }
    series = [
        {
            "start": step.start_utc.isoformat(),
            "import_kw": round(step.import_kw, 3),
            "export_kw": round(step.export_kw, 3),
            **{f"{name}_{key}": round(value, 3) for name, each in step.devices.items() for key, value in each.items()},
        }
        for step in coming
    ]
    power_kw = None if now is None else plan.steps[now].import_kw - plan.steps[now].export_kw
    saved = plan.no_battery_cost - plan.paid
    cost = about | {"without_control": round(plan.no_battery_cost, 4)}
    return [
        Offered(
            object_id="plan",
            name="Planned grid power",
            state=power_kw,
            unit="kW",
            device_class="power",
            attributes=about | {"series": series},
        ),
        Offered(
            object_id="plan_cost",
            name="Cost of the plan",
            state=round(plan.paid, 4) if coming else None,
            unit=plan.currency,
            device_class="monetary",
            attributes=cost,
        ),
        Offered(
            object_id="plan_saving",
            name="Saving by the plan",
            state=round(saved, 4) if coming else None,
            unit=plan.currency,
            device_class="monetary",
            attributes=cost,
        ),
    ]


def _of_forecast(forecast: Forecast, now_utc: datetime) -> Offered:
    """The middle of its quantiles for the step in progress; the coming ones in the attributes."""
    step = timedelta(minutes=forecast.step_minutes)
    coming = [row for row in forecast.rows if row.time_utc + step > now_utc][:MOST_STEPS]
    now = next((row for row in coming if row.time_utc <= now_utc), None)
    object_id = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in forecast.target.lower())
    return Offered(
        object_id=f"forecast_{object_id}"[:80],
        name=f"Forecast of {forecast.target}",
        state=None if now is None else now.p50,
        unit={"kwh": "kWh", "kw": "kW", "degc": "°C"}.get(forecast.unit, forecast.unit),
        attributes={
            "forecast_id": forecast.forecast_id,
            "issued_at": forecast.issued_at_utc.isoformat(),
            "model": forecast.model_name,
            "step_minutes": forecast.step_minutes,
            "is_synthetic": forecast.is_synthetic,
            "series": [
                {
                    "start": row.time_utc.isoformat(),
                    **{key: round(getattr(row, key), 4) for key in ("p10", "p50", "p90")},
                }
                for row in coming
            ],
        },
    )
