"""A random tariff as the objective of a plan, and the bill engine's own bill of the load that the plan makes."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import numpy as np

from assets.kpi.running_cost.interval_costs import MeteredLoad
from assets.tariffs.linear_model import LinearTerms, NotLinear
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.connection import Connection
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from data_quality.contracts.finding import Finding
from tests.tariffs.linear_case import Tally, billed, compiled, is_lp, sides
from tests.tariffs.random_tariffs import MOST_KW, Case

# A plan of a day; more would only make the search longer.
MOST_STEPS = 48


def short(case: Case) -> Case:
    """The case with a horizon of at most so many intervals."""
    first, last = case.cut
    return replace(case, cut=(first, min(last, first + MOST_STEPS)))


def dispatch(case: Case, terms: LinearTerms) -> DispatchCase:
    """The load of the horizon behind a connection, with a battery that may move a fifth of what the connection may."""
    bought, sold = (side / 1e9 for side in sides(case))
    hours, steps = case.load.step_minutes / 60, terms.size
    return DispatchCase(
        case_id="random",
        currency="EUR",
        start_utc=case.load.start_utc + case.cut[0] * timedelta(hours=hours),
        step_h=(hours,) * steps,
        load_kw=tuple(((bought - sold) / hours).tolist()),
        connection=Connection(
            import_price_per_kwh=(0.0,) * steps,
            export_price_per_kwh=(0.0,) * steps,
            import_max_kw=MOST_KW,
            export_max_kw=MOST_KW,
            bills=(terms,),
        ),
        devices=(
            Battery(
                device_id="bat",
                max_charge_kw=MOST_KW / 5,
                max_discharge_kw=MOST_KW / 5,
                charge_efficiency=0.95,
                discharge_efficiency=0.95,
                soc_min_kwh=0,
                soc_max_kwh=MOST_KW / 5,
                soc_init_kwh=MOST_KW / 10,
                soc_end_min_kwh=MOST_KW / 10,
            ),
        ),
    )


def planned_bill(case: Case, solution: Solution) -> Decimal:
    """Bill of the engine for the known load with the planned one in its place."""
    quanta, load = 1e9 * case.load.step_minutes / 60, case.load
    is_gross = case.tariff.metering.arrangement == "buy_all_sell_all"
    bought, sold = load.imported(is_gross=is_gross).copy(), load.exported(is_gross=is_gross).copy()
    for side, name in ((bought, "import_kw"), (sold, "export_kw")):
        side[slice(*case.cut)] = np.rint(np.array(solution.series.connection[name]) * quanta)
    # As two registers count: under a tariff that buys all and sells all they are not netted, and the plan's are by now.
    metered = MeteredLoad(load.start_utc, load.step_minutes, bought, load.is_present, generation=sold, kvarh=load.kvarh)
    return billed(replace(case, load=metered))


def compare_plan(case: Case, tally: Tally) -> None:
    """Raise AssertionError where a plan's cost is not its load's bill, to a hundredth."""
    case, tally.cases = short(case), tally.cases + 1
    terms = compiled(case)
    if isinstance(terms, NotLinear):
        tally.refused[terms.why.split(":")[0].split(";")[0]] += 1
        return
    problem = dispatch(case, terms)
    answer = solve(problem, gap=0.01, time_limit_s=20)
    if isinstance(answer, Finding):
        # A time limit is no wrong plan, and a case without a plan has no bill.
        tally.refused[answer.code] += 1
        return
    base = sum(bill.base for bill in problem.connection.priced)
    difference = abs(Decimal(answer.objective + base) - planned_bill(case, answer))
    assert difference <= Decimal("0.01"), f"plan {answer.objective} + {base}, differs by {difference}, {case.tariff!r}"
    tally.compared += 1
    tally.with_binaries += not is_lp(terms)
    tally.horizons += case.cut != (0, case.load.size)
    tally.worst = max(tally.worst, difference)
