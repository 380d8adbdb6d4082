"""The picture of a plan: where power comes from and where it goes, what it costs, what is stored, and why."""

import textwrap
from itertools import cycle
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from orchestration.previews import COLOURS, png_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from controls.planning.execution import Executed
    from controls.planning.plan_picture import PlanPicture

# Face and hatch by kind, told apart in grey and with any colour vision; a second device of a kind, or a kind that is
# not here, takes the next of the others.
_KINDS = {
    "load": ("#4d4d4d", ""),
    "grid": ("#d9d9d9", "////"),
    "pv": ("#F0E442", ""),
    "battery": ("#0072B2", "...."),
    "ev_charger": ("#009E73", "\\\\\\\\"),
    "tank": ("#D55E00", "xxxx"),
    "heat_pump": ("#CC79A7", "||||"),
}
_OTHERS = (("#56B4E9", "----"), ("#E69F00", "oooo"), ("#ffffff", "++++"), ("#F5C7A9", "...."), ("#A6CEE3", "xx"))
_NOTE_WIDTH = 148
_LEGEND_WIDTH = 18
_LINE_IN = 0.18


def plan_picture(picture: "PlanPicture", *, title: str, time_zone: str) -> bytes:
    """PNG: what gives above zero and what takes below, prices, stored amounts; the notes that it numbers stand below.

    time_zone: of the axis.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    notes = [line for n, (_, text) in enumerate(picture.notes, 1) for line in _wrapped(n, text)]
    heights = [3.2, 1.2, *([1.2] if picture.stored else [])]
    foot = 0.45 + (0.2 + _LINE_IN * len(notes) if notes else 0.0)
    height = 0.4 + sum(heights) + foot
    figure = Figure(figsize=(10, height), dpi=90)
    panels: Any = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    figure.subplots_adjust(left=0.075, right=0.84, top=1 - 0.4 / height, bottom=foot / height, hspace=0.12)
    panels[0].set_title(title, loc="left", fontsize="medium", fontweight="bold")
    _stacks(panels[0], picture)
    _prices(panels[1], picture)
    if picture.stored:
        _stored(panels[2], picture)
    for axes in panels:
        axes.grid(axis="x", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
        axes.tick_params(labelsize="small")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.03), frameon=False, fontsize="small", handlelength=1.6)
    zone = ZoneInfo(time_zone)
    places = AutoDateLocator(tz=zone)
    panels[-1].xaxis.set_major_locator(places)
    panels[-1].xaxis.set_major_formatter(ConciseDateFormatter(places, tz=zone, show_offset=False))
    panels[-1].set_xlabel(f"local time, {time_zone}", loc="right", fontsize="small", labelpad=1)
    figure.align_ylabels(list(panels))
    for n, line in enumerate(reversed(notes)):
        figure.text(0.02, (0.08 + _LINE_IN * n) / height, line, fontsize=8)
    return png_of(figure, colours=64)


def execution_picture(slots: "Sequence[Executed]", *, title: str, time_zone: str) -> bytes:
    """PNG: mean power of each device by quarter hour, planned as a line and executed as bars; a gap is not shown by
    anything. time_zone: of the axis.
    """
    from datetime import timedelta

    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.figure import Figure

    zone, names = ZoneInfo(time_zone), list(dict.fromkeys(slot.device_id for slot in slots))
    step = timedelta(minutes=15)
    figure = Figure(figsize=(10, 0.8 + 1.6 * max(len(names), 1)), dpi=90, layout="constrained")
    panels: Any = figure.subplots(max(len(names), 1), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, names, strict=False):
        mine = [slot for slot in slots if slot.device_id == name]
        known = [slot for slot in mine if slot.executed_kwh is not None]
        at: Any = [slot.start_utc for slot in known]
        power: Any = [4 * (slot.executed_kwh or 0.0) for slot in known]
        axes.bar(at, power, width=step, align="edge", color=COLOURS[0], alpha=0.45, label="executed")
        edges: Any = [*(slot.start_utc for slot in mine), mine[-1].start_utc + step]
        planned = _stepped(np.array([4 * slot.planned_kwh for slot in mine]))
        axes.plot(edges, planned, drawstyle="steps-post", color=COLOURS[1], linewidth=1.3, label="planned")
        axes.axhline(0.0, color="black", linewidth=0.5)
        # Bars stick to zero, and would hide a plan of nothing behind the frame.
        axes.use_sticky_edges = False
        axes.margins(x=0.01, y=0.08)
        axes.set_ylabel(f"{name}\nkW", fontsize="small")
    places = AutoDateLocator(tz=zone)
    panels[-1].xaxis.set_major_locator(places)
    panels[-1].xaxis.set_major_formatter(ConciseDateFormatter(places, tz=zone, show_offset=False))
    panels[-1].set_xlabel(f"local time, {time_zone}", loc="right", fontsize="small")
    panels[0].set_title(title, loc="left", fontsize="medium", fontweight="bold")
    if names:
        panels[0].legend(frameon=False, ncols=2, fontsize="small")
    return png_of(figure, colours=64)


def _stacks(axes: Any, picture: "PlanPicture") -> None:
    """Both stacks, from zero up and from zero down, as high as each other in every step."""
    names = list(dict.fromkeys([*picture.takes_kw, *picture.gives_kw]))
    # The load lies at zero, the grid, which makes up for the rest, outside.
    ordered = [name for name in ("load", *picture.kinds, "grid") if name in names]
    faces, others = dict[str, tuple[str, str]](), cycle(_OTHERS)
    for name in ordered:
        own = _KINDS.get(picture.kinds.get(name, name))
        faces[name] = own if own and own not in faces.values() else next(others)
    edges: Any = list(picture.edges_utc)
    for stack, sign in ((picture.gives_kw, 1.0), (picture.takes_kw, -1.0)):
        base = np.zeros(len(edges))
        for name in ordered:
            if name not in stack:
                continue
            top = base + sign * _stepped(stack[name])
            label = name if sign > 0 or name not in picture.gives_kw else None
            face, hatch = faces[name]
            axes.fill_between(
                edges, base, top, step="post", facecolor=face, hatch=hatch, edgecolor="#00000088", linewidth=0.0,
                label=label,
            )  # fmt: skip
            axes.plot(edges, top, drawstyle="steps-post", color="#222222", linewidth=0.5)
            base = top
        if sign > 0:
            for name, unused in picture.unused_kw.items():
                beyond = base + _stepped(unused)
                axes.plot(edges, beyond, drawstyle="steps-post", color="#222222", linewidth=0.9, linestyle=":",
                          label=f"{name}, not used")  # fmt: skip
                base = beyond
    axes.axhline(0.0, color="black", linewidth=1.0)
    low, high = axes.get_ylim()
    axes.set_ylim(low * 1.05, high * 1.12)
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.set_ylabel("goes to  |  comes from\nkW", fontsize="small")
    for n, (at, _) in enumerate(picture.notes, 1):
        axes.annotate(
            str(n), (at, 1.0), xycoords=("data", "axes fraction"), fontsize="small", fontweight="bold", ha="center",
            va="top", bbox={"boxstyle": "circle,pad=0.2", "facecolor": "white", "linewidth": 0.8},
        )  # fmt: skip
        axes.axvline(at, color="black", linewidth=0.6, linestyle=(0, (1, 3)))


def _prices(axes: Any, picture: "PlanPicture") -> None:
    edges: Any = list(picture.edges_utc)
    for label, prices, style, width in (
        ("bought", picture.import_price_per_kwh, "-", 1.6),
        ("sold", picture.export_price_per_kwh, "--", 1.1),
        ("one kWh more", picture.marginal_price, ":", 1.6),
    ):
        if prices:
            axes.plot(
                edges, _stepped(np.array(prices)), drawstyle="steps-post", color="black", linestyle=style,
                linewidth=width, label=label,
            )  # fmt: skip
    axes.axhline(0.0, color="black", linewidth=0.4)
    axes.set_ylabel(f"{picture.currency}\nper kWh", fontsize="small")


def _stored(axes: Any, picture: "PlanPicture") -> None:
    """Each as a share of a full one, between the amounts that a step begins and ends with."""
    edges: Any = list(picture.edges_utc)
    for each, style in zip(picture.stored, ("-", "--", ":", "-.") * len(picture.stored), strict=False):
        full = each.scale or float(np.abs(each.amounts).max()) or 1.0
        label = "\n".join([*textwrap.wrap(each.words, _LEGEND_WIDTH), f"(of {full:.3g} {each.unit})"])
        axes.plot(edges, 100 * each.amounts / full, color="black", linestyle=style, linewidth=1.4, label=label)
    axes.set_ylim(0, max(105.0, axes.get_ylim()[1]))
    axes.set_ylabel("stored\n%", fontsize="small")


def _stepped(values: Any) -> Any:
    """One value more, so that the last step is drawn to its end."""
    return np.append(values, values[-1])


def _wrapped(number: int, text: str) -> list[str]:
    lines = textwrap.wrap(text, _NOTE_WIDTH)
    return [f"{number}   {lines[0]}", *(f"     {line}" for line in lines[1:])]
