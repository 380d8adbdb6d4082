"""Entities of a home as streams of a site: named by the column maps; and the units of a home as ours."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assets.readings.parsed import ReadRequest
from assets.readings.streams import default_registers
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.units import UNITS

# By their own spelling: mW is no MW. Source: home-assistant/core, homeassistant/const.py (UnitOf...).
_UNITS = {
    "Wh": "wh", "kWh": "kwh", "MWh": "mwh", "GWh": "gwh", "kJ": "kj", "MJ": "mj", "GJ": "gj",
    "W": "w", "kW": "kw", "MW": "mw", "VA": "va", "kVA": "kva", "var": "var", "kvar": "kvar",
    "varh": "varh", "kvarh": "kvarh", "m³": "m3", "L": "l", "ft³": "ft3", "L/min": "l_per_min", "m³/h": "m3_per_h",
    "°C": "degc", "°F": "degf", "%": "percent", "W/m²": "w_per_m2", "m/s": "m_per_s", "h": "h",
}  # fmt: skip


@dataclass(frozen=True)
class Entity:
    """One entity of a file. line: where it stands; unit: its own word; is_sum: a total that grows.

    meter, register: where it belongs, empty where nobody named it; code: our unit, empty for an unknown one; factor:
    what its values are multiplied by.
    """

    line: int
    foreign_id: str
    unit: str | None
    is_sum: bool
    meter: str = ""
    register: str = "import"
    code: str = ""
    factor: float = 1.0


def named_entities(entities: Sequence[Entity], request: ReadRequest) -> list[Entity]:
    """The entities with meter, register and unit. Raises BadInput for a name in the given map that the file lacks."""
    site, mapping = request.site, request.mapping
    maps = [mapping] if mapping else list(site.column_maps) if site else []
    names = {name: target for each in maps for name, target in {**each.meters, **each.values}.items()}
    units = {name: code for each in maps for name, code in each.units.items()}
    factors = {name: factor for each in maps for name, factor in each.multipliers.items()}
    if mapping is not None:
        known = [each.foreign_id for each in entities]
        for name in names:
            if name not in known:
                near = did_you_mean(name, list(known))
                message = f"the column map names {name!r}, which the file does not have"
                raise BadInput(message, line=1, reason="missing_column", mend=near)
    usual = default_registers(site) if site is not None else {}

    def named(entity: Entity) -> Entity:
        meter, _, register = names.get(entity.foreign_id, "").partition(".")
        unit = units.get(entity.foreign_id, "").strip().lower()
        code = unit if unit in UNITS else _UNITS.get(entity.unit or "", "")
        return replace(
            entity,
            meter=meter,
            register=register or usual.get(meter, "import"),
            code=code,
            factor=factors.get(entity.foreign_id, 1.0),
        )

    return [named(each) for each in entities]


def refuse_shared(entities: Sequence[Entity]) -> None:
    """Raises BadInput (shared_register): two entities of one register would be taken for doubles of one another."""
    taken: dict[tuple[str, str], str] = {}
    for each in entities:
        other = taken.setdefault((each.meter, each.register), each.foreign_id)
        if each.meter and other != each.foreign_id:
            message = f"{other} and {each.foreign_id} both belong to {each.meter}.{each.register}"
            mend = "name a register for each under `values` of the column map"
            raise BadInput(message, line=1, reason="shared_register", mend=mend)
