"""A dispatch case from its JSON file (command line shape)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import AwareDatetime, ConfigDict, Field, ValidationError

from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.device import Device, Part
from controls.optimiser.devices.kinds import KINDS
from data_quality.contracts.control.plan import Objective
from data_quality.contracts.control.plan_scenario import ScenarioSet
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import sentence_of

P = TypeVar("P", bound=Part)
_MESSAGES = {
    "missing": "is missing",
    "tuple_type": "expected a list",
    "model_type": "expected an object with its keys",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
}


class _CaseFile(Model):
    # The statement, the known optimum and every other key belong to the reader of the file, not to the problem; the
    # keys of connection and devices belong to them (Part.case_names).
    model_config = ConfigDict(extra="ignore")
    id: str
    currency: str
    start_utc: AwareDatetime
    dt_h: float = Field(gt=0, le=24)
    load: tuple[float, ...] = Field(min_length=1)
    objective: Objective = Objective()
    carbon_kgco2e_per_kwh: float | tuple[float, ...] | None = None
    uncertain: ScenarioSet | None = None


def load_case(path: Path, *, preset: str | None = None) -> DispatchCase:
    """The dispatch problem of a case file. Raises BadInput: one sentence with the file, and line or key.

    preset: of its objective, instead of the file's own; the prices stay those of the file.
    """
    content = _parsed(path)
    if preset is not None and isinstance(content, dict):
        own = content.get("objective", {})
        content["objective"] = (own if isinstance(own, dict) else {}) | {"preset": preset}
    try:
        raw = _CaseFile.model_validate(content)
        carbon = raw.carbon_kgco2e_per_kwh
        (connection,) = _parts(Connection, content, path)
        return DispatchCase(
            case_id=raw.id,
            currency=raw.currency,
            start_utc=raw.start_utc,
            step_h=(raw.dt_h,) * len(raw.load),
            load_kw=raw.load,
            connection=connection,
            devices=tuple(device for kind in KINDS.values() for device in _parts(kind, content, path)),
            objective=raw.objective,
            carbon_kgco2e_per_kwh=(carbon,) * len(raw.load) if isinstance(carbon, float) else carbon,
            uncertain=raw.uncertain,
        )
    except ValidationError as error:
        kinds: list[type[Part]] = [Connection, *KINDS.values()]
        series = {field: key for kind in kinds for key, field in kind.case_names.items()}
        raise _refusal(path, error, [], series | {"load_kw": "load"}) from error


def _parts(kind: type[P], content: Mapping[str, Any], path: Path) -> list[P]:
    """The parts of one kind that a case holds: a list, one object, or keys of the case itself."""
    found = content.get(kind.case_key) if kind.case_key else content
    if found is None:
        return []
    is_list = kind.case_is_list and isinstance(found, list)
    parts = []
    for n, one in enumerate(found if is_list else [found]):
        number = str(n) if is_list else ""
        try:
            if not isinstance(one, dict) and not kind.case_field:
                kind.model_validate(one)
            fields = _fields(kind, one)
            name = {"device_id": kind.kind + number} if issubclass(kind, Device) else {}
            parts.append(kind.model_validate(name | fields))
        except ValidationError as error:
            place = [part for part in (kind.case_key, number) if part]
            names = {field: key for key, field in kind.case_names.items()} | {kind.case_field: ""}
            raise _refusal(path, error, place, names) from error
    return parts


def _fields(kind: type[Part], one: Any) -> dict[str, Any]:
    """The fields of a part by their own names; of a list, those of each entry."""
    if kind.case_field:
        if isinstance(one, list):
            one = [_named(kind, each) if isinstance(each, dict) else each for each in one]
        return {kind.case_field: one}
    return _named(kind, one)


def _named(kind: type[Part], one: Mapping[str, Any]) -> dict[str, Any]:
    return {field: one[key] for key, field in kind.case_names.items() if key in one}


def _refusal(path: Path, error: ValidationError, place: list[str], keys: Mapping[str, str]) -> BadInput:
    first = error.errors()[0]
    named = (keys.get(str(part), str(part)) for part in first["loc"])
    key = ".".join([*place, *(part for part in named if part)])
    text = _MESSAGES.get(first["type"], sentence_of(first))
    # A sentence of the problem's own begins with a name that the file may not have.
    name, _, rest = text.partition(" ")
    text = f"{keys.get(name, name)} {rest}" if first["type"] == "value_error" else text
    return BadInput(f"{key or 'the case'}: {text}", file=str(path), reason="bad_case")


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
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadInput(f"expected a dispatch case (JSON): {error}", file=str(path), reason="bad_json") from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
