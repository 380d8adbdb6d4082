"""`meterloom rooms fit`: which resistance and capacity a room has, from a file of its temperatures."""

from pathlib import Path
from typing import Annotated

from orchestration.operations.answer import CHECK_FAILED, Answer, Table, finding_lines
from orchestration.operations.operation import STATELESS, Argument, Call, Option, operation

_FIGURES = "figure | value: {value:.4g} | low: {low:.4g} | high: {high:.4g}"
_SITE_FILE = ("r_k_per_kw", "c_kwh_per_k")


@operation("rooms fit", takes=STATELESS, example="office.csv --tz Europe/Berlin")
def fit_room(
    call: Call,
    file: Annotated[Path, Argument("timestamp,indoor_degc,outdoor_degc,heating_kw[,ghi_w_per_m2]", metavar="FILE")],
    tz: Annotated[str, Option("Zone of times without offset (IANA).")] = "UTC",
    confidence: Annotated[float, Option("Of the intervals.", min=0.5, max=0.99)] = 0.9,
    beside: Annotated[
        list[Path] | None, Option("A room that it touches, as FILE; up to three.", metavar="FILE")
    ] = None,
) -> Answer:
    """Tell how well a room keeps its heat: R, C, sun and gains with intervals, and how well a day ahead is foreseen.

    The figures are those of an asset of kind `room` in the site file. What the readings cannot tell is a finding. With
    rooms beside it all are told together, with the walls between them where these foresee days better.
    """
    from data_quality.contracts.finding import Finding
    from data_quality.contracts.time import zone
    from ml.rooms.identify_room import day_ahead_error_k, identify, without_stuck
    from ml.rooms.read_room import read_room

    zone(tz)
    if beside:
        return _together(call, [file, *beside], tz, confidence)
    call.doing("reading the file")
    data, left_out = without_stuck(read_room(file, zone=tz))
    call.doing("telling the room from its temperatures")
    found = identify(data, confidence=confidence)
    if isinstance(found, Finding):
        findings = [*left_out, found]
        return Answer({"findings": findings}, text="\n".join(finding_lines(findings)), exit_code=CHECK_FAILED)
    call.doing("foreseeing days that it has not seen")
    error_k = day_ahead_error_k(data)
    rows = [
        {"figure": name, "value": getattr(found, name), "low": band.low, "high": band.high}
        for name, band in found.intervals.items()
    ]
    params = ", ".join(f"{name}: {getattr(found, name):.4g}" for name in _SITE_FILE)
    day = "too few days to judge a day ahead by" if error_k is None else f"a day ahead it errs by {error_k:.2f} K"
    text = "\n".join([*finding_lines(left_out), f"{day}; in the site file: params: {{{params}}}"])
    content = found.model_dump() | {"day_ahead_error_k": error_k, "findings": left_out, "figures": rows}
    return Answer(content, Table("figures", _FIGURES), text=text)


def _together(call: Call, files: list[Path], tz: str, confidence: float) -> Answer:
    """Rooms that touch each other, by the names of their files."""
    from data_quality.contracts.finding import Finding
    from ml.rooms.coupled_rooms import identify_rooms
    from ml.rooms.identify_room import without_stuck
    from ml.rooms.read_room import read_rooms

    call.doing("reading the files")
    cleaned = {name: without_stuck(data) for name, data in read_rooms(files, zone=tz).items()}
    left_out = [
        each.model_copy(update={"scope": name, "message": f"{name}: {each.message}"})
        for name, (_, findings) in cleaned.items()
        for each in findings
    ]
    call.doing("telling the rooms from their temperatures")
    found = identify_rooms({name: data for name, (data, _) in cleaned.items()}, confidence=confidence)
    if isinstance(found, Finding):
        every_finding = [*left_out, found]
        return Answer({"findings": every_finding}, text="\n".join(finding_lines(every_finding)), exit_code=CHECK_FAILED)
    rows = [
        {"room": name, "figure": figure, "value": getattr(model, figure), "low": band.low, "high": band.high}
        for name, model in found.rooms.items()
        for figure, band in model.intervals.items()
    ]
    rows += [
        {"room": " | ".join(wall.rooms), "figure": "wall_kw_per_k", "value": wall.kw_per_k, **dict(wall.interval)}
        for wall in found.walls
    ]
    if found.walls:
        lines = [
            f"{name}: a day ahead it errs by {error:.2f} K, alone by {found.alone_errors_k[name]:.2f} K"
            for name, error in found.errors_k.items()
        ]
    else:
        lines = ["no wall foresees days that the fit has not seen better: each room is as it is alone"]
    text = "\n".join([*finding_lines(left_out), *lines])
    content = found.model_dump() | {"findings": left_out, "figures": rows}
    return Answer(content, Table("figures", f"room | {_FIGURES}"), text=text)
