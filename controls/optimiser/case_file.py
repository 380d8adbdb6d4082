"""A dispatch case from its JSON file (command line shape): refuses what is not planned yet, by name."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, ConfigDict, Field, ValidationError

from controls.optimiser.case import BatteryCase, DispatchCase
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model


class _BatteryFile(Model):
    model_config = ConfigDict(extra="ignore")
    p_ch: float
    p_dis: float
    eta_c: float
    eta_d: float
    soc_min: float
    soc_max: float
    soc_init: float
    soc_end_min: float
    wear: float = 0.0


class _CaseFile(Model):
    # The statement, the known optimum and every other key belong to the reader of the file, not to the problem.
    model_config = ConfigDict(extra="ignore")
    id: str
    currency: str
    start_utc: AwareDatetime
    dt_h: float = Field(gt=0, le=24)
    load: tuple[float, ...] = Field(min_length=1)
    pv: tuple[float, ...]
    p_imp: tuple[float, ...]
    p_exp: tuple[float, ...]
    imp_max: float = Field(ge=0)
    exp_max: float = Field(ge=0)
    demand_price: float = Field(default=0.0, ge=0)
    battery: _BatteryFile | None = None
    ev_sessions: tuple[Any, ...] = ()
    tank: Any = None


def load_case(path: Path) -> DispatchCase:
    """The dispatch problem of a case file. Raises BadInput: one sentence with the file, and line or key."""
    content = _parsed(path)
    try:
        raw = _CaseFile.model_validate(content)
        if raw.ev_sessions:
            raise BadInput("EV sessions are not planned yet (key 'ev_sessions')", file=str(path), reason="not_planned")
        if raw.tank is not None:
            raise BadInput("heat storage is not planned yet (key 'tank')", file=str(path), reason="not_planned")
        return _case(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the case"
        raise BadInput(f"{key}: {first['msg']}", file=str(path), reason="bad_case") from error


def _parsed(path: Path) -> Any:
    if path.is_dir():
        raise BadInput("is a folder, expected a dispatch case (JSON)", file=str(path), reason="not_a_file")
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except FileNotFoundError as error:
        raise BadInput("no such file", file=str(path), reason="no_file") from error
    except json.JSONDecodeError as error:
        message = f"expected a dispatch case (JSON), got {error.msg.lower()}"
        raise BadInput(message, file=str(path), line=error.lineno, column=error.colno, reason="bad_json") from error
    except (UnicodeDecodeError, ValueError) as error:
        raise BadInput(f"expected a dispatch case (JSON): {error}", file=str(path), reason="bad_json") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _case(raw: _CaseFile) -> DispatchCase:
    start_utc: datetime = raw.start_utc
    battery = raw.battery
    return DispatchCase(
        case_id=raw.id,
        currency=raw.currency,
        start_utc=start_utc,
        step_h=(raw.dt_h,) * len(raw.load),
        load_kw=raw.load,
        pv_kw=raw.pv,
        import_price_per_kwh=raw.p_imp,
        export_price_per_kwh=raw.p_exp,
        import_max_kw=raw.imp_max,
        export_max_kw=raw.exp_max,
        demand_price_per_kw=raw.demand_price,
        battery=None
        if battery is None
        else BatteryCase(
            max_charge_kw=battery.p_ch,
            max_discharge_kw=battery.p_dis,
            charge_efficiency=battery.eta_c,
            discharge_efficiency=battery.eta_d,
            soc_min_kwh=battery.soc_min,
            soc_max_kwh=battery.soc_max,
            soc_init_kwh=battery.soc_init,
            soc_end_min_kwh=battery.soc_end_min,
            wear_per_kwh=battery.wear,
        ),
    )
