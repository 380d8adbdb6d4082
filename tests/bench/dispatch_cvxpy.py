"""The cases of dispatch_bench.py as a user of CVXPY writes them, vectorised: the baseline of building a model.

It runs in an environment of its own (`make bench` makes it from requirements.lock beside this file): CVXPY is no part
of the product. Reads one case as JSON from standard input, writes seconds and objective as JSON.
"""

import json
import statistics
import sys
import time
from typing import Any

import cvxpy as cp  # type: ignore[import-not-found,unused-ignore]
import highspy
import numpy as np


def model(case: dict[str, Any]) -> Any:
    """The whole problem of a case file: balance, connection, battery, EV sessions, relays on a tank."""
    steps, dt_h = len(case["load"]), case["dt_h"]
    p_imp, p_exp = np.array(case["p_imp"]), np.array(case["p_exp"])
    if (p_exp >= p_imp).any():
        raise ValueError("the baseline knows no prices that pay for import and export at once")
    pv_kw = np.array(case["pv"])
    buy, sell, cut = (cp.Variable(steps, nonneg=True) for _ in range(3))
    rules = [buy <= case["imp_max"], sell <= case["exp_max"], cut <= np.maximum(pv_kw, 0.0)]
    given, taken = pv_kw - cut + buy, np.array(case["load"]) + sell
    cost = dt_h * (p_imp @ buy - p_exp @ sell)
    if battery := case.get("battery"):
        into, out = cp.Variable(steps, nonneg=True), cp.Variable(steps, nonneg=True)
        mode, soc = cp.Variable(steps, boolean=True), cp.Variable(steps + 1)
        rules += [
            into <= battery["p_ch"] * mode,
            out <= battery["p_dis"] * (1 - mode),
            soc[0] == battery["soc_init"],
            soc[1:] == soc[:-1] + dt_h * (battery["eta_c"] * into - out / battery["eta_d"]),
            soc[1:] >= battery["soc_min"],
            soc[1:] <= battery["soc_max"],
            soc[steps] >= battery["soc_end_min"],
        ]
        given, taken = given + out, taken + into
        cost += dt_h * battery["wear"] * cp.sum(out)
    for session in case.get("ev_sessions", ()):
        first, last = session["from_step"], session["to_step"]
        power, is_on = cp.Variable(last - first, nonneg=True), cp.Variable(last - first, boolean=True)
        rules += [
            power >= session["p_min"] * is_on,
            power <= session["p_max"] * is_on,
            dt_h * session["eta"] * cp.sum(power) >= session["energy_kwh"],
        ]
        taken = taken + cp.hstack([np.zeros(first), power, np.zeros(steps - last)])
    if tank := case.get("tank"):
        relays_kw = np.array(tank["relays_kw"])
        is_on, stored = cp.Variable((steps, relays_kw.size), boolean=True), cp.Variable(steps + 1)
        heat_kw = tank["cop"] * (is_on @ relays_kw)
        rules += [
            stored[0] == tank["init"],
            stored[1:] == stored[:-1] + dt_h * (heat_kw - tank["loss_kw"] - np.array(tank["draw_kw"])),
            stored[1:] >= tank["min"],
            stored[1:] <= tank["max"],
            stored[steps] >= tank["end_min"],
        ]
        taken = taken + is_on @ relays_kw
    return cp.Problem(cp.Minimize(cost), [given == taken, *rules])


class _Started(Exception):
    """The solver has the whole model and would begin."""


def build_s(case: dict[str, Any]) -> float:
    """CPU seconds from the first variable to a solver that holds the whole model."""
    solver = highspy.Highs
    run = solver.run

    # CVXPY has no other way to stop there.
    def begin(_: Any) -> None:
        raise _Started

    solver.run = begin
    started = time.process_time()
    try:
        model(case).solve(solver=cp.HIGHS)
    except _Started:
        return time.process_time() - started
    finally:
        solver.run = run
    raise RuntimeError("CVXPY did not start its solver")


def main() -> None:
    """Median seconds of building, and the optimum."""
    query = json.load(sys.stdin)
    build_s(query["case"])
    built_s = statistics.median(build_s(query["case"]) for _ in range(query["times"]))
    found = {"version": cp.__version__, "build_s": built_s, "objective": None}
    if query["is_solved"]:
        # Zero, and tolerances as ours: the two optima are compared in the sixth decimal.
        options = {"mip_rel_gap": 0.0, "mip_abs_gap": 1e-9, "mip_feasibility_tolerance": 1e-9}
        found["objective"] = float(model(query["case"]).solve(solver=cp.HIGHS, **options))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
