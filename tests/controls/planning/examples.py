"""A small home, its forecasts and its prices."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import polars as pl
from jsonschema import Draft202012Validator

from assets.stores.ledgers.plans import read_plan
from controls.optimiser.devices.kinds import devices_of
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import make_plan
from controls.planning.plan_inputs import plan_request
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.site_file.site import Site
from tests.conftest import ROOT

PLAN_SCHEMA_FILE = ROOT / "docs" / "ems" / "plan.schema.json"
NOW = datetime(2026, 1, 1, 10, 7, tzinfo=UTC)
DAY = datetime(2026, 1, 1, tzinfo=UTC)
HOME = Site.model_validate(
    {
        "site_id": "home",
        "name": "Home",
        "time_zone": "Europe/Prague",
        "currency": "CZK",
        "country": "CZ",
        "is_simulated": True,
        "meters": [{"meter_id": "grid", "connected_load_kw": 17}, {"meter_id": "house", "parent": "grid"}],
        "assets": [
            {
                "asset_id": "battery",
                "kind": "battery",
                "template": "sim_battery_10kwh",
                "params": {
                    "capacity_kwh": 10,
                    "max_charge_kw": 5,
                    "max_discharge_kw": 5,
                    "soc_min": 0.1,
                    "soc_max": 0.95,
                    "wear_per_kwh": 0.4,
                },
            },
            {"asset_id": "pv", "kind": "pv", "template": "sim_pv_inverter", "params": {"peak_kw": 8}},
        ],
        "drivers": [{"driver_id": "spot", "unit": "per_kwh", "aggregation": "mean"}],
        "price_stream": "spot",
        "tariffs": [
            {
                "tariff_id": "flat",
                "valid_from": "2025-01-01",
                "valid_to": "2027-01-01",
                "export_price_per_kwh": 0.6,
                "periods": [{"period_id": "all", "price_per_kwh": 4.9}],
            }
        ],
    }
)


def forecast(target: str, kwh: float, *, hours: int = 48, issued_at_utc: datetime = DAY) -> Forecast:
    """A flat hourly forecast from DAY on."""
    rows = tuple(
        ForecastRow(time_utc=DAY + timedelta(hours=h), p10=kwh - 0.1, p50=kwh, p90=kwh + 0.1) for h in range(hours)
    )
    return Forecast(
        forecast_id=f"fc-{target}",
        site_id="home",
        target=f"meter:{target}",
        issued_at_utc=issued_at_utc,
        available_at_utc=issued_at_utc,
        model_name="flat",
        model_version="1",
        input_digest="0",
        is_synthetic=True,
        rows=rows,
    )


def prices(*, hours: int = 48, night: float = 1.0, day: float = 5.0) -> pl.DataFrame:
    """Quarter-hour prices from DAY on: `night` before 06:00 UTC, `day` after."""
    starts = [DAY + timedelta(minutes=15 * k) for k in range(4 * hours)]
    return pl.DataFrame(
        {
            "interval_start_utc": starts,
            "price_per_kwh": [night if start.hour < 6 else day for start in starts],
        },
        schema_overrides={"interval_start_utc": pl.Datetime("us", "UTC")},
    )


def inputs(**changes: object) -> dict[str, object]:
    """Keyword arguments of plan_request that make a plan, with some changed.

    `pv_forecast`, `soc_kwh` with `soc_age_s`, and `soc_end_min_kwh` are those of the home's one PV and one battery.
    """
    given = {
        "load_forecast": forecast("house", 0.8),
        "pv_forecast": forecast("pv", 0.3),
        "prices": prices(),
        "soc_kwh": 5.0,
        "soc_age_s": 12.0,
        "mode": Mode.PARTIAL,
        "now_utc": NOW,
    } | changes
    state = given.pop("soc_kwh"), given.pop("soc_age_s")
    given["states"] = {} if None in state else {"battery": state}
    given["device_forecasts"] = {"pv": given.pop("pv_forecast")}
    if "soc_end_min_kwh" in given:
        given["ends"] = {"battery": given.pop("soc_end_min_kwh")}
    return given


def device(requested: PlanRequest, device_id: str) -> Any:
    """A device of a request."""
    return next(one for one in devices_of(requested) if one.device_id == device_id)


def paid(export_price: object, home: Site = HOME) -> Site:
    """The home under a tariff that pays so much per kWh fed in, or by such terms."""
    named = {"export": export_price} if isinstance(export_price, dict) else {"export_price_per_kwh": export_price}
    (known,) = home.model_dump(exclude_unset=True)["tariffs"]
    kept = {name: value for name, value in known.items() if name != "export_price_per_kwh"}
    return Site.model_validate(home.model_dump() | {"tariffs": [kept | named]})


def request(*, site: Site = HOME, **changes: object) -> PlanRequest:
    """A request that makes a plan."""
    answer = plan_request(site, **inputs(**changes))
    assert isinstance(answer, PlanRequest), answer
    return answer


def plan(*, version: int = 1, created_at_utc: datetime = NOW, **changes: object) -> Plan:
    """A plan of that request."""
    dispatch_request = request(**changes)
    made = make_plan(
        dispatch_request, _solved(dispatch_request.model_dump_json()), created_at_utc=created_at_utc, version=version
    )
    assert published(made) == made
    return made


def published(made: Plan) -> Plan:
    """A plan as its JSON says it to others, which must be what the published schema tells them."""
    content = json.loads(made.model_dump_json())
    _published_schema().validate(content)
    return read_plan(content)


@cache
def _published_schema() -> Draft202012Validator:
    return Draft202012Validator(json.loads(PLAN_SCHEMA_FILE.read_text(encoding="utf-8")))


@cache
def _solved(request_json: str) -> Solution:
    request = PlanRequest.model_validate_json(request_json)
    solution = solve(request)
    assert isinstance(solution, Solution), solution
    return solution
