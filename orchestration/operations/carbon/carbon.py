"""`meterloom carbon`: Scope 1 and 2 of activities; `carbon chp`: those of a plant divided between heat and power."""

from pathlib import Path
from typing import Annotated

from assets.carbon.files.carbon_files import read_activities, read_factor_set, states_instruments
from assets.carbon.inventory.account import carbon_of
from assets.carbon.inventory.chp import HEAT_EFFICIENCY, POWER_EFFICIENCY, ChpMethod, chp_shares
from data_quality.contracts.emissions.carbon import CarbonResult
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import FactorSet
from orchestration.operations.answer import Answer, Table
from orchestration.operations.carbon.carbon_hourly import hourly_answer
from orchestration.operations.carbon.carbon_say import GwpOption, gwp_set, say_findings, scopes_text
from orchestration.operations.operation import STATELESS, Call, Option, operation
from orchestration.operations.options import number

LINES = Table(
    "lines",
    "id | scope: {scope:|outside} | basis | quantity: {amount} | unit | factor: {factor_id} | kg CO2e: {kgco2e:,.1f}",
    # A quantity keeps the zeros of its file; people want 12.5 and not 12.500000.
    amount=lambda line: line["quantity"].normalize(),
)


@operation("carbon", takes=STATELESS, example="--activity activity.csv --factors factors.csv --gwp AR5 --json")
def carbon(
    call: Call,
    activity: Annotated[Path | None, Option("id,activity,quantity,unit,year|start,end")] = None,
    factors: Annotated[list[Path] | None, Option("Factor set (CSV); several add up.")] = None,
    gwp: GwpOption = None,
    latest: Annotated[bool, Option("Where a time has no factor yet, take the last there is, and say so.")] = False,
    hourly_load: Annotated[Path | None, Option("Energy bought: timestamp,kwh.")] = None,
    hourly_factors: Annotated[Path | None, Option("Grid intensity: timestamp,gco2_per_kwh.")] = None,
    certificates: Annotated[Path | None, Option("certificate_id,timestamp,kwh[,market,…].")] = None,
    market: Annotated[str, Option("Market that the consumption is in.")] = "",
    tz: Annotated[str, Option("Zone of times without offset (IANA).")] = "",
) -> Answer:
    """Account for activities with factor sets, or for a load by the hour."""
    sets = [read_factor_set(path) for path in factors or []]
    if hourly_load is not None:
        if activity is not None:
            raise BadInput("give --activity or --hourly-load, not both", reason="bad_option")
        return hourly_answer(
            call, hourly_load, hourly_factors, certificates, sets, gwp=gwp_set(gwp), market=market, time_zone=tz
        )
    if hourly_factors is not None or certificates is not None:
        raise BadInput("--hourly-factors and --certificates go with --hourly-load", reason="bad_option")
    if activity is None or not sets:
        raise BadInput("carbon needs --activity FILE and --factors FILE", reason="no_activity")
    result = carbon_of(
        read_activities(activity),
        [row for each in sets for row in each.factors],
        gwp=gwp_set(gwp),
        states_instruments=states_instruments(activity),
        latest=latest,
    )
    return _answer(result, sets, call)


def _answer(result: CarbonResult, sets: list[FactorSet], call: Call) -> Answer:
    say_findings(call, result.findings)
    found = {
        **result.model_dump(exclude={"lines"}),
        "gwp_set": result.gwp_set or None,
        "lines": [{"id": line.line_id, **line.model_dump(exclude={"line_id"})} for line in result.lines],
        "factor_sets": [{"path": each.path, "sha256": each.sha256, "rows": len(each.factors)} for each in sets],
    }
    return Answer(found, LINES, scopes_text(result))


@operation("carbon chp", takes=STATELESS, example="--fuel-kgco2e 100000 --heat-kwh 250000 --power-kwh 150000 --json")
def chp(
    call: Call,
    fuel_kgco2e: Annotated[str, Option("Emissions of the fuel that the plant burnt.")],
    heat_kwh: Annotated[str, Option("Heat that it delivered.")],
    power_kwh: Annotated[str, Option("Electricity that it delivered.")],
    method: Annotated[ChpMethod, Option("How to divide.")] = ChpMethod.EFFICIENCY,
    heat_efficiency: Annotated[str, Option("Of making the heat apart.")] = str(HEAT_EFFICIENCY),
    power_efficiency: Annotated[str, Option("Of making the power apart.")] = str(POWER_EFFICIENCY),
) -> Answer:
    """Divide a plant's emissions between heat and power: factors for those who buy either."""
    found = chp_shares(
        number(fuel_kgco2e, "--fuel-kgco2e"),
        number(heat_kwh, "--heat-kwh"),
        number(power_kwh, "--power-kwh"),
        method=method,
        heat_efficiency=number(heat_efficiency, "--heat-efficiency"),
        power_efficiency=number(power_efficiency, "--power-efficiency"),
    )
    rows = [
        ("heat", found.heat_kgco2e, found.heat_kgco2e_per_kwh),
        ("power", found.power_kgco2e, found.power_kgco2e_per_kwh),
    ]
    return Answer(found, Table(rows, "of: {0} | kgCO2e: {1:,.3f} | kgCO2e/kWh: {2:,.6f}"))
