"""A circuit of a site as its file opts it in: readings of the lake, the campaign, and what is kept of the estimate."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import version

import numpy as np
import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.results import Disaggregations
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.reporting.disaggregation import (
    ClassEnergy,
    Disaggregation,
    StoredClass,
    StoredDisaggregation,
    finding_of,
)
from data_quality.contracts.site_file.disaggregated_circuit import DisaggregatedCircuit
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, local_midnight_utc
from ml.disaggregation.campaign import Campaign, train_campaign
from ml.disaggregation.circuit import Circuit
from ml.disaggregation.circuit_features import features
from ml.disaggregation.disaggregate import disaggregate
from ml.features.civil import civil_of
from ml.features.series import Series, Vector, series_of, stream_of
from ml.tracking import LoggedModel, MlflowTracker, ModelRecord

MODEL_ABOUT = "The energy of a circuit by class of load, taught by sub-meters of some weeks."
MODEL_FILE = "disaggregation.json"
_CARD_USE = (
    "Intended to show where a circuit's energy goes, with an interval. Not for live control: an interval is estimated "
    "with what came after it. Not for bills."
)
_CARD_LIMITS = (
    "A span of another season or load than the training's is extrapolated, and its interval does not hold.",
    "Two machines with the same power are hard to distinguish.",
    "A class that was seldom on in the training is not estimated; what it drew is in the rest.",
)


def run_circuit(site: Site, circuit: str, *, lake: Lake, tracker: MlflowTracker, clock: Clock) -> StoredDisaggregation:
    """A circuit of the site file disaggregated up to now, registered with its card, and stored. Raises BadInput.

    Where the registry is away the result is stored all the same, without a model.
    """
    # A circuit that the site file opts in. Raises BadInput (unknown_circuit).
    found = next((each for each in site.disaggregation if each.circuit == circuit), None)
    if found is None:
        known = ", ".join(each.circuit for each in site.disaggregation) or "none"
        raise BadInput(
            f"site {site.site_id!r} opts the circuit {circuit!r} into no disaggregation; it has {known}",
            reason="unknown_circuit",
            mend="name it under disaggregation in the site file",
        )
    made, campaign = estimate_circuit(site, found, lake=lake, now_utc=clock.now_utc())
    with suppress(Unreachable):
        logged = log_disaggregation(tracker, made, campaign)
        made = made.model_copy(update={"model": f"{logged.name} v{logged.version}"})
    return Disaggregations(lake.store).keep(made, clock)


def estimate_circuit(
    site: Site, spec: DisaggregatedCircuit, *, lake: Lake, now_utc: datetime
) -> tuple[StoredDisaggregation, Campaign]:
    """The circuit from its first reading to now by class, and the campaign behind it. Raises BadInput."""
    circuit, is_synthetic = circuit_of(site, spec, lake=lake, now_utc=now_utc)
    first, end = (local_midnight_utc(day, site.time_zone) for day in spec.train_days)
    matrix = features(circuit)
    campaign = train_campaign(circuit, spec.load_classes, (first, end), matrix=matrix)
    whole = (circuit.start_utc, circuit.instant(len(circuit.kwh)))
    found = disaggregate(circuit, whole, campaign=campaign, matrix=matrix)
    if is_synthetic:
        found = found.model_copy(update={"findings": (*found.findings, finding_of("is_synthetic", "info"))})
    return kept_of(site, spec, found, is_synthetic=is_synthetic), campaign


def circuit_of(site: Site, spec: DisaggregatedCircuit, *, lake: Lake, now_utc: datetime) -> tuple[Circuit, bool]:
    """The circuit with its sub-meters and drivers, and whether any reading is simulated. Raises BadInput."""
    members = [name for each in spec.load_classes for name in each.meters]
    wanted = [spec.circuit, *members, *spec.beside]
    readings = site_readings(lake, site, end_utc=now_utc, meters=wanted)
    step = timedelta(minutes=spec.step_minutes)

    def read(name: str) -> Series:
        return series_of(readings, site=site, stream=stream_of(site, name), end_utc=now_utc, step=step)

    main = read(spec.circuit)
    known = np.flatnonzero(np.isfinite(main.values))
    if not len(known):
        raise BadInput(f"{spec.circuit} has no readings", reason="no_readings")
    # Until the last reading: what has not come yet is no gap.
    main = replace(main, values=np.where(main.values < 0, np.nan, main.values)[: int(known[-1]) + 1])
    series = {name: read(name) for name in wanted[1:]}
    for name in (spec.circuit, *members):
        unit = main.unit if name == spec.circuit else series[name].unit
        if unit != ENERGY_UNIT:
            raise BadInput(f"{name} is in {unit}; expected {ENERGY_UNIT}", reason="wrong_unit")
    placed = {name: _placed(each, main) for name, each in series.items()}
    civil = civil_of(site, main.start_utc, len(main.values), step)
    meters, others = ({name: placed[name] for name in names} for names in (members, spec.beside))
    is_synthetic = bool(readings.select(pl.col("is_synthetic").any()).item())
    return Circuit(main.start_utc, step, main.values, others, meters, civil, site.time_zone), is_synthetic


def kept_of(
    site: Site, spec: DisaggregatedCircuit, found: Disaggregation, *, is_synthetic: bool
) -> StoredDisaggregation:
    """Stored part of a disaggregation: its intervals by class, in whole Wh."""
    names = [each.name for each in found.classes]
    rows = {name: found.rows[place :: len(names)] for place, name in enumerate(names)}
    kept = tuple(
        StoredClass(
            name=name,
            wh=tuple(None if each.kwh is None else round(each.kwh * 1000) for each in own),
            on="".join("-" if each.on is None else str(int(each.on)) for each in own),
        )
        for name, own in rows.items()
    )
    return StoredDisaggregation(
        site_id=site.site_id, circuit=spec.circuit, train=spec.train, step_minutes=spec.step_minutes,
        found=found.model_copy(update={"rows": ()}), kept=kept, is_synthetic=is_synthetic,
    )  # fmt: skip


def _placed(own: Series, main: Series) -> Vector:
    """A series on the circuit's steps; NaN where it has none."""
    found = np.full(len(main.values), np.nan)
    shift = main.index(own.start_utc)
    first, last = max(shift, 0), min(shift + len(own.values), len(found))
    if last > first:
        found[first:last] = own.values[first - shift : last - shift]
    return found


def log_disaggregation(tracker: MlflowTracker, made: StoredDisaggregation, campaign: Campaign) -> LoggedModel:
    """Register a disaggregation with its card. Raises Unreachable."""
    found = made.found
    record = ModelRecord(
        title=f"{made.site_id} · {made.circuit} · {made.train}", about=MODEL_ABOUT, card=circuit_card(made),
        params={"train": made.train, "step_minutes": str(made.step_minutes), "model": "HistGradientBoosting"},
        metrics={
            f"{name} {each.name}": float(value)
            for each in found.classes
            for name, value in (("kwh", each.kwh), ("confidence", each.confidence), ("f1", each.f1_held_out))
            if value is not None
        },
        tags={
            "kind": "disaggregation", "site_id": made.site_id, "circuit": made.circuit, "fitted_by": "meterloom",
            "is_synthetic": str(made.is_synthetic).lower(),
            "findings": ", ".join(sorted({finding.code for finding in found.findings})),
        },
        dataset_name=f"{made.site_id}/{made.circuit} and its sub-meters", dataset_digest=found.digest,
    )  # fmt: skip
    name = f"{made.site_id}.{made.circuit}.disaggregation"
    # Everything but the readings from which the same trees grow again: no pickle that a later release cannot read.
    classes = [
        {
            **each.spec.model_dump(mode="json"),
            **({"on_kwh": own.on_kwh, "sure": own.sure, "likely": own.likely} if (own := each.model) else {}),
        }
        for each in campaign.classes
    ]
    model = {
        "circuit": made.circuit, "train": made.train, "step_minutes": made.step_minutes, "digest": made.found.digest,
        "classes": classes, "params": campaign.params.model_dump(mode="json"), "scikit-learn": version("scikit-learn"),
    }  # fmt: skip
    return tracker.log_model(name, {MODEL_FILE: json.dumps(model, indent=1).encode()}, record)


def circuit_card(made: StoredDisaggregation) -> str:
    """A disaggregation in Markdown: data, figures, limits and what it is for."""
    found = made.found
    head = "| Class | kWh | 90 % interval | Confidence | F1 held out |"
    lines = [
        f"**{made.circuit} of {made.site_id} by class of load**", "", f"{MODEL_ABOUT} {_CARD_USE}", "",
        f"- Taught from {made.train.replace('/', ' to ')}, END excluded, in steps of {made.step_minutes} minutes",
        "- Histogram gradient boosting, one classifier and its regressions a class; figures from held-out weeks",
        *(["- Of simulated readings: proof of nothing"] if made.is_synthetic else []),
        *(f"- Finding `{each.code}`: {each.message}" for each in found.findings),
        "", head, "|---|---|---|---|---|", *map(_line, found.classes),
        f"| rest | {found.rest_kwh:,.0f} | | | |", "", "### Known limits", "", *(f"- {each}" for each in _CARD_LIMITS),
    ]  # fmt: skip
    return "\n".join(lines)


def _line(each: ClassEnergy) -> str:
    if each.kwh is None:
        return f"| {each.name} | not estimable | | | |"
    band = "none" if each.interval_kwh is None else "{:,.0f} to {:,.0f}".format(*each.interval_kwh)
    f1 = "" if each.f1_held_out is None else f"{each.f1_held_out:.3f}"
    return f"| {each.name} | {each.kwh:,.0f} | {band} | {each.confidence:.2f} {each.confidence_label} | {f1} |"
