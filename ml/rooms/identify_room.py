"""Which resistance and capacity a room has, from its temperatures: maximum likelihood with a Kalman filter.

The model is the planner's own (controls/optimiser/devices/room.py): C dT/dt = (outdoor - T) / R + heater + gain +
aperture x sun, exact over each step, with a disturbance in every step and a thermometer that errs. Least squares on the
readings themselves would take the thermometer's noise for heat that comes and goes, and find too small a capacity
(errors in variables). Intervals are those of the likelihood's curvature, by Student's t over the days. State space by
statsmodels (Durbin and Koopman 2012); missing readings are steps without one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model

if TYPE_CHECKING:
    from statsmodels.tsa.statespace.mlemodel import MLEModel

Floats = NDArray[np.float64]
# A week has days with and without sun, and nights in which the heater rests.
LEAST_H = 120.0
# A thermometer that says the same for so long while the heater switches says nothing.
STUCK_H = 12.0
# Beyond, an interval says only that the room was not moved enough to tell.
MOST_RATIO = 3.0
NAMES = ("r_k_per_kw", "c_kwh_per_k", "aperture_m2", "gain_kw")
_START = (np.log(20.0), np.log(1.5), 0.4, 0.05, np.log(0.02), np.log(0.1))
_ITERATIONS, _TIMES = 300, 3
_W_PER_KW, _DAY_H = 1000.0, 24.0
# Of the days; the others judge.
_LEARNED_SHARE = 0.7


@dataclass(frozen=True)
class RoomData:
    """One value a step of equal length: temperature at its start (NaN where none was read); mean of the others over it.

    sun_w_per_m2: on the horizontal, zero where nobody knows it.
    """

    step_h: float
    indoor_degc: Floats
    outdoor_degc: Floats
    heating_kw: Floats
    sun_w_per_m2: Floats

    def between(self, first: int, after: int) -> "RoomData":
        """Some of its steps."""
        part = slice(first, after)
        return RoomData(
            self.step_h, self.indoor_degc[part], self.outdoor_degc[part], self.heating_kw[part], self.sun_w_per_m2[part]
        )


class Interval(Model):
    """Interval of a figure with the stated confidence."""

    low: float
    high: float


class RoomModel(Model):
    """A room fitted to its temperatures. disturbance_k: of a step; sensor_k: of a reading; standard deviations."""

    r_k_per_kw: float = Field(gt=0)
    c_kwh_per_k: float = Field(gt=0)
    aperture_m2: float
    gain_kw: float
    disturbance_k: float = Field(ge=0)
    sensor_k: float = Field(ge=0)
    step_h: float = Field(gt=0)
    confidence: float
    intervals: dict[str, Interval]
    n: int
    missing: int

    @property
    def kept(self) -> float:
        """Which share of its distance from where it settles is left after a step."""
        return float(np.exp(-self.step_h / (self.r_k_per_kw * self.c_kwh_per_k)))

    def settles_degc(self, data: RoomData) -> Floats:
        """Temperature at which it would settle in each step."""
        heat_kw = data.heating_kw + self.gain_kw + self.aperture_m2 * data.sun_w_per_m2 / _W_PER_KW
        found: Floats = data.outdoor_degc + self.r_k_per_kw * heat_kw
        return found


@dataclass(frozen=True)
class RoomState:
    """The temperature before each step, from all readings up to it, and its standard deviation, degC."""

    degc: Floats
    sd_k: Floats


def identify(data: RoomData, *, confidence: float = 0.9) -> RoomModel | Finding:
    """The room behind the readings, or why it is not identifiable. confidence: of the intervals, a share."""
    if missing := _missing(data):
        return missing
    space, start = _state_space(data), np.array(_START)
    for _ in range(_TIMES):
        # From where it stood: the search gives up early on flat ground, and a warning would be of no use.
        fitted = space.fit(start, disp=0, maxiter=_ITERATIONS, method="lbfgs", warn_convergence=False)
        start = np.asarray(fitted.params)
        if fitted.mle_retvals["converged"]:
            break
    params, errors = without_sun(data, np.asarray(fitted.params), np.asarray(fitted.bse))
    reach = reach_of(data, errors[: len(NAMES)], confidence)
    band = _band(params, reach)
    for name, (low, high) in zip(NAMES[:2], band[:2].tolist(), strict=True):
        if not (np.isfinite(low) and np.isfinite(high)) or high > MOST_RATIO * low:
            return _finding(
                "room_not_told",
                f"{name} lies somewhere between {low:.3g} and {high:.3g}: the room was moved too little to identify "
                "it; give more days, or days on which its heater rests and works",
                {"low": low, "high": high},
            )
    return model_of(data, params, errors, confidence)


def without_sun(data: RoomData, params: Floats, errors: Floats) -> tuple[Floats, Floats]:
    """Parameters and standard errors, the aperture zero and certain where nobody knows the sun."""
    if data.sun_w_per_m2.any():
        return params, errors
    keeps = np.arange(params.size) != NAMES.index("aperture_m2")
    return np.where(keeps, params, 0.0), np.where(keeps, errors, 0.0)


def reach_of(data: RoomData, errors: Floats, confidence: float) -> Floats:
    """Reach of intervals from their figures, by the standard errors of these."""
    from scipy.special import stdtrit

    # Quarter hours of one day tell much the same: a short record has as many witnesses as days, less what was fitted.
    days = data.indoor_degc.size * data.step_h / _DAY_H
    found: Floats = float(stdtrit(max(days - len(NAMES), 1.0), (1 + confidence) / 2)) * errors
    return found


def model_of(data: RoomData, params: Floats, errors: Floats, confidence: float) -> RoomModel:
    """The room of fitted parameters (logarithms of R, C and both deviations) and their standard errors."""
    r, c, aperture, gain = np.exp(params[0]), np.exp(params[1]), params[2], params[3]
    band = _band(params, reach_of(data, errors[: len(NAMES)], confidence))
    return RoomModel(
        r_k_per_kw=float(r),
        c_kwh_per_k=float(c),
        aperture_m2=float(aperture),
        gain_kw=float(gain),
        disturbance_k=float(np.exp(params[4])),
        sensor_k=float(np.exp(params[5])),
        step_h=data.step_h,
        confidence=confidence,
        intervals={name: Interval(low=low, high=high) for name, (low, high) in zip(NAMES, band.tolist(), strict=True)},
        n=data.indoor_degc.size,
        missing=int(np.isnan(data.indoor_degc).sum()),
    )


def _band(params: Floats, reach: Floats) -> Floats:
    band: Floats = params[: len(NAMES), None] + reach[:, None] * np.array([-1.0, 1.0])
    # A room that hardly moved may have a bound beyond what a float holds: infinite, and refused as such.
    with np.errstate(over="ignore"):
        band[:2] = np.exp(band[:2])
    return band


def state_of(model: RoomModel, data: RoomData) -> RoomState:
    """The temperature behind noisy and missing readings (Kalman 1960), one step after the other."""
    kept, settles = model.kept, model.settles_degc(data)
    first = data.indoor_degc[np.isfinite(data.indoor_degc)]
    now, variance = (float(first[0]) if first.size else float(settles[0])), 1.0
    degc, sd = np.zeros(settles.size), np.zeros(settles.size)
    for t, reading in enumerate(data.indoor_degc.tolist()):
        if np.isfinite(reading):
            gain = variance / (variance + model.sensor_k**2)
            now, variance = now + gain * (reading - now), (1 - gain) * variance
        degc[t], sd[t] = now, np.sqrt(variance)
        now = kept * now + (1 - kept) * settles[t]
        variance = kept**2 * variance + model.disturbance_k**2
    return RoomState(degc, sd)


def ahead(model: RoomModel, start: tuple[float, float], data: RoomData) -> RoomState:
    """The temperature at the end of each step to come. start: temperature and its standard deviation before them."""
    kept, (now, sd_k), found = model.kept, start, []
    variance = sd_k**2
    for settles in model.settles_degc(data).tolist():
        now, variance = kept * now + (1 - kept) * settles, kept**2 * variance + model.disturbance_k**2
        found.append((now, np.sqrt(variance)))
    degc, sd = np.array(found).reshape(-1, 2).T
    return RoomState(degc, sd)


def day_ahead_error_k(data: RoomData) -> float | None:
    """Mean error of the temperature over 24 hours, from each midnight of the last days, by the room of the first days.

    Heater, sun and outdoors are taken as they were: it is the room that is judged. None: too few days.
    """
    day = round(24 / data.step_h)
    cut = int(_LEARNED_SHARE * data.indoor_degc.size) // day * day
    model = identify(data.between(0, cut))
    if isinstance(model, Finding):
        return None
    errors = []
    state = state_of(model, data)
    for first in range(cut, data.indoor_degc.size - day, day):
        foreseen = ahead(model, (state.degc[first], state.sd_k[first]), data.between(first, first + day))
        # At the end of a step stands the reading at the start of the next.
        errors.append(np.abs(foreseen.degc - data.indoor_degc[first + 1 : first + day + 1]))
    return float(np.nanmean(errors)) if errors else None


def without_stuck(data: RoomData) -> tuple[RoomData, list[Finding]]:
    """The data without readings of a frozen thermometer while its heater switches, and findings on those left out."""
    readings, steps = data.indoor_degc.copy(), round(STUCK_H / data.step_h)
    changes = np.flatnonzero(np.diff(readings) != 0) + 1
    findings = []
    for first, after in zip([0, *changes], [*changes, readings.size], strict=True):
        if after - first >= steps and np.ptp(data.heating_kw[first:after]) > 0:
            hours = (after - first) * data.step_h
            findings.append(
                _finding(
                    "thermometer_stuck",
                    f"the thermometer said {readings[first]:g} degC for {hours:g} h while the heater switched:"
                    " these readings are left out",
                    {"first_step": int(first), "hours": hours},
                    severity="warning",
                )
            )
            readings[first:after] = np.nan
    return RoomData(data.step_h, readings, data.outdoor_degc, data.heating_kw, data.sun_w_per_m2), findings


def _missing(data: RoomData) -> Finding | None:
    known_h = float(np.isfinite(data.indoor_degc).sum()) * data.step_h
    if known_h < LEAST_H:
        message = f"{known_h:.0f} h of temperatures are known, at least {LEAST_H:g} h are needed to identify a room"
        return _finding("room_too_short", message, {"known_h": known_h})
    if np.ptp(data.heating_kw) == 0:
        message = "the heater never changed: its effect on the room is unknown"
        return _finding("room_heater_constant", message, {"heating_kw": float(data.heating_kw[0])})
    return None


def _finding(code: str, message: str, facts: dict[str, Any], *, severity: str = "blocking") -> Finding:
    return Finding.model_validate({"code": code, "message": message, "severity": severity, "facts": facts})


def _state_space(data: RoomData) -> "MLEModel":
    from statsmodels.tsa.statespace.mlemodel import MLEModel

    class RoomSpace(MLEModel):  # type: ignore[misc]  # the library has no types
        """Logarithms of R, C and both deviations; aperture and gain as they are."""

        start_params = np.array(_START)
        param_names = ("log_r", "log_c", "aperture_m2", "gain_kw", "log_disturbance", "log_sensor")

        def __init__(self) -> None:
            super().__init__(data.indoor_degc, k_states=1, k_posdef=1)
            self["design", 0, 0] = self["selection", 0, 0] = 1.0
            known = data.indoor_degc[np.isfinite(data.indoor_degc)]
            self.ssm.initialize_known(known[:1], np.eye(1))

        def update(self, params: Floats, **options: Any) -> None:
            """The matrices at some parameters."""
            params = super().update(params, **options)
            r, c = np.exp(params[0]), np.exp(params[1])
            kept = np.exp(-data.step_h / (r * c))
            heat_kw = data.heating_kw + params[3] + params[2] * data.sun_w_per_m2 / _W_PER_KW
            self["transition", 0, 0] = kept
            self["state_intercept"] = ((1 - kept) * (data.outdoor_degc + r * heat_kw))[None, :]
            self["state_cov", 0, 0] = np.exp(2 * params[4])
            self["obs_cov", 0, 0] = np.exp(2 * params[5])

    return RoomSpace()
