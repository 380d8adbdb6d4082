"""Every tile in every state that it can be in; renewed by `python -m tests.web.widgets_golden`."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from data_quality.contracts.finding import Finding
from data_quality.contracts.live.live_value import LiveValue
from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.reporting.work_order import WorkOrder
from reports.figure_book import FigureBook
from reports.pages.address import Address
from reports.pages.findings import OpenFindings, findings_tile
from reports.pages.page import Widget
from reports.pages.tasks import Task, Tasks, tasks_tile
from reports.pages.widgets import (
    car,
    compared_span,
    cost_bridge,
    day_and_month,
    home_power,
    home_today,
    live_kw,
    plan_ahead,
    projects,
    renewable,
    report_status,
    saved_energy,
    sites_table,
    submeters,
    trials,
)  # fmt: skip
from reports.pages.widgets.tile import TileFigure

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "widgets.json"
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
DAY = date(2026, 1, 4)
AT: dict[str, Any] = {"address": Address(path="/board/ops", site="plant"), "age": "at 12:45"}
DOUBT = (Finding(code="gap", message="a day of the supply is missing", scope="site:plant"),)


def shown(
    kpi: str, value: str | None, unit: str = "kwh", *, status: str = "", findings: tuple[str, ...] = ()
) -> TileFigure:
    """A figure of the plant, or one that is not known."""
    book = FigureBook(report_id="golden", revision=0, as_of_utc=NOW, is_synthetic=True)
    figure = book.add(
        f"{kpi}/{value}", None if value is None else Decimal(value), label=kpi, kpi=kpi, scope="site:plant", start=DAY,
        end=DAY + timedelta(days=1), unit=unit, computation="nothing", parameters={}, inputs=[], status=status,
        findings=findings,
    )  # fmt: skip
    return TileFigure(figure=figure, why=f"/why?kpi={kpi}")


def live_value(seconds: float, quality: str = "measured") -> LiveValue:
    """A power as the live board tells it."""
    at = NOW - timedelta(seconds=seconds)
    return LiveValue(
        source_id="line", point="kw", stream="main", register_id="import", what="live", unit="kw", is_synthetic=True,
        value=412.0, at_utc=at, received_utc=at, quality=quality, minute_utc=at, minute_mean=412.0, minute_min=412.0,
        minute_max=412.0, minute_count=1,
    )  # fmt: skip


def states() -> Iterator[tuple[str, Widget]]:
    """Name of a state, and the tile in it."""
    cost, none = shown("cost", "31204.18", "EUR"), shown("cost", None, "EUR", status="no_price")
    energy, gone = shown("consumption_kwh", "1204.5"), shown("consumption_kwh", None, status="no_readings")
    share = shown("self_sufficiency", "0.42", "ratio")
    for name, age_s, quality in (("value", 2, "measured"), ("old", 9, "measured"), ("doubtful", 2, "doubtful")):
        yield f"live_kw {name}", live_kw.view(live_kw.LiveKw(**AT, now_utc=NOW, points=(live_value(age_s, quality),)))
    yield "live_kw gone", live_kw.view(live_kw.LiveKw(**AT, now_utc=NOW, points=(live_value(61),)))
    for name, has_source, demand in (("silent", True, energy), ("no source", False, energy), ("nothing", True, None)):
        given_ = live_kw.LiveKw(**AT, now_utc=NOW, has_source=has_source, demand=demand, window_minutes=15)
        yield f"live_kw {name}", live_kw.view(given_)
    for name, month, found in (("value", cost, ()), ("finding", cost, DOUBT), ("none", none, ())):
        given = day_and_month.MonthSoFar(**AT, what="cost", month=month, today=energy, projected=cost, findings=found,
                                        method="days_to_come", uncosted_minutes=30 if found else 0,
                                        budget=Decimal(1000) if found else None)  # fmt: skip
        yield f"cost {name}", day_and_month.month_so_far(given)
        yield f"peak_demand {name}", day_and_month.peak_demand(
            day_and_month.PeakDemand(**AT, peak=month, at="2025-12-18 16:15", running=energy, window_minutes=15,
                                   minutes_left=6, findings=found,
                                   limit=(450.0, "contracted demand") if found else None)
        )  # fmt: skip
        yield f"today {name}", day_and_month.today(
            day_and_month.DayEnergy(**AT, day="Today", so_far=energy if month is cost else gone, findings=found,
                        expected=(900.0, 1000.0, 1100.0) if found else None,
                        hours=(("00:00", energy, (1.0, 2.0, 3.0)), ("01:00", gone, None)))
        )  # fmt: skip
        yield (
            f"cost_days {name}",
            day_and_month.cost_days(
                day_and_month.CostDays(**AT, month=cost, days=((DAY, month),) if month is cost else (), unit="EUR")
            ),
        )
        yield f"eui {name}", compared_span.view(
            compared_span.Compared(**AT, key="eui", title="Energy by floor area", label="Rolling 12 months",
                                now=energy if month is cost else gone, before=gone, against="the year before",
                                findings=found)
        )  # fmt: skip
        yield (
            f"renewable {name}",
            renewable.view(
                renewable.Renewable(
                    **AT, shares=(("self_sufficiency", share),) if month is cost else (), findings=found
                )
            ),
        )
        band = shown("uncertainty_kwh", "1300" if found else "204.5")
        worth = cost if not found else None
        air = saved_energy.Use(name="Air", saving=energy, band=band, worth=worth)
        given_ = saved_energy.Savings(
            **AT, total=energy if month is cost else None, uses=(air,) if month is cost else (), band=band, worth=worth,
            findings=found, left_out=("Whole plant",), no_worth="" if worth else "no price",
            reason="no use is compared" if month is none else "",
        )  # fmt: skip
        yield f"savings {name}", saved_energy.view(given_)
        yield f"savings_uses {name}", saved_energy.by_use(given_)
        barred = shown("savings_kwh", None, status="extrapolation")
        uses = (("Air", 0, (energy, barred)), ("Heat", 1, (energy, energy)))
        months = saved_energy.SavedMonths(**AT, months=("Jan 2026", "Feb 2026"), uses=uses if month is cost else ())
        yield f"savings_months {name}", saved_energy.by_month(months)


def listed() -> Iterator[tuple[str, Widget]]:
    """The same of tiles that are lists."""
    cost, none = shown("cost", "31204.18", "EUR"), shown("cost", None, "EUR", status="no_price")
    energy, share = shown("consumption_kwh", "1204.5"), shown("self_sufficiency", "0.42", "ratio")
    parts = (submeters.Submeter(name="Press", energy=energy, before=energy, change=share, is_use=False),)
    rests = (("value", shown("rest", "12")), ("finding", shown("rest", "-12")))
    for name, rest in rests:
        yield f"submeters {name}", submeters.view(submeters.Submeters(**AT, whole=energy, parts=parts, rest=rest))
    yield "submeters fed", submeters.view(submeters.Submeters(**AT, whole=energy, parts=parts, is_fed=True))
    yield "submeters none", submeters.view(submeters.Submeters(**AT))
    block = day_and_month.Block(charge_id="energy", period_id="peak", price=Decimal("0.209"), until_local="20:00",
                               next_period="off_peak", next_price=Decimal("0.158"))  # fmt: skip
    tiers = block.model_copy(update={"price": None, "why_no_price": "the price depends on how much is used (tiers)"})
    for name, blocks in (("value", (block,)), ("tiers", (tiers,)), ("none", ())):
        yield (
            f"tariff_block {name}",
            day_and_month.tariff_block(day_and_month.TariffBlock(**AT, blocks=blocks, currency="EUR")),
        )
    one = OpenFinding(site_id="plant", source="EnPI alerts", cause="air", severity=2, what="air used +6 %", at_utc=NOW)
    for name, found_, silent in (("value", (), ()), ("finding", (one,), ()), ("silent", (), (("devices", "locked"),))):
        links = {each.finding_id: "/findings/one" for each in found_}
        given_ = OpenFindings(
            **AT, open=found_, asked=("devices", "EnPI alerts"), silent=silent, links=links, may_act=True
        )
        yield f"open_findings {name}", findings_tile(given_)
    task = Task(order=WorkOrder(order_id="7d1", site_id="plant", title="Fan", priority="P2", recorded_at_utc=NOW))
    for name, open_, ended in (("value", (), 2), ("finding", (task,), 0), ("none", (), 0)):
        yield f"tasks {name}", tasks_tile(Tasks(**AT, open=open_, ended=ended))
    less, more = shown("cost", "-120.5", "EUR"), shown("cost", "45.25", "EUR")
    steps = (("Price", less), ("Production and weather", more), ("Energy performance", less), ("Other use", more))
    bridge = cost_bridge.CostBridge(**AT, spans=("2024", "2025"), before=cost, now=cost, change=less, steps=steps)
    yield "cost_bridge value", cost_bridge.view(bridge)
    yield (
        "cost_bridge unsplit",
        cost_bridge.view(bridge.model_copy(update={"steps": (("Price", less), ("Quantity", more))})),
    )
    yield "cost_bridge not set up", cost_bridge.view(cost_bridge.CostBridge(**AT))
    project = projects.Project(name="Leaks", saving=energy, band=energy, days=energy, verdict="baseline approved")
    bare = projects.Project(name="Leaks", verdict="no baseline of the project is fitted")
    for name, all_ in (("value", (project,)), ("finding", (bare,)), ("none", ())):
        yield f"projects {name}", projects.view(projects.Projects(**AT, projects=all_))
    line = report_status.ReportLine(name="enpi_quarter", site="plant", period="2025-Q4", revision=1, status="draft")
    stale = line.model_copy(update={"stale": ("lake plant/2025",)})
    for name, lines in (("value", (line,)), ("finding", (line, stale)), ("nothing", ())):
        yield f"report_status {name}", report_status.view(report_status.ReportStatus(**AT, lines=lines))
    site = sites_table.SiteRow(name="Plant", energy=energy, cost=none, carbon=cost, months=(9.0, None, 12.0))
    for name, rows in (("value", (site,)), ("none", ())):
        yield f"sites {name}", sites_table.view(sites_table.SitesTable(**AT, rows=rows))


def homes() -> Iterator[tuple[str, Widget]]:
    """The same of tiles of a home."""
    cost, none = shown("cost", "35.69", "CZK"), shown("cost", None, "CZK", status="no_price")
    share = shown("self_sufficiency", "0.42", "ratio")
    for name, figure, found in (("value", cost, ()), ("finding", cost, DOUBT), ("none", none, ())):
        past = home_today.Past(values=(1.0, None, 3.0, 2.0), said="Cost by the hour")
        given = home_today.HomeDay(**AT, key="cost_today", title="Cost today", figure=figure, findings=found, past=past,
                                   beside=(("Month to date", cost),))  # fmt: skip
        yield f"cost_today {name}", home_today.view(given)
        asked = {"key": "self_sufficiency_today", "title": "Self-sufficiency", "is_share": True, "day": "4 January"}
        known = share if figure is cost else None
        yield f"self_sufficiency_today {name}", home_today.view(home_today.HomeDay(**AT, **asked, figure=known))
    bare = home_today.HomeDay(**AT, key="solar_today", title="Solar today", is_set_up=False)
    yield "solar_today not set up", home_today.view(bare)
    for name, charge in (("value", 52.4), ("none", None)):
        yield f"car {name}", car.view(car.Car(**AT, charge_percent=charge, target=0.8, departure="07:30"))
    yield "car away", car.view(car.Car(**AT, is_away=True))
    yield "car not set up", car.view(car.Car(**AT, has_charger=False))
    for name, age_s in (("value", 2), ("old", 9), ("gone", 61)):
        points = (
            home_power.PowerPoint(value=live_value(age_s), energy="grid", gives=True, name="main"),
            home_power.PowerPoint(value=live_value(age_s), energy="car", gives=False, name="ev"),
        )
        made = home_power.HomePower(**AT, now_utc=NOW, house="Plant", points=points, silent=("Household",))
        yield f"home_power {name}", home_power.view(made)
    for name, is_live in (("silent", True), ("not set up", False)):
        made = home_power.HomePower(**AT, now_utc=NOW, house="Plant", is_live=is_live)
        yield f"home_power {name}", home_power.view(made)
    plan = planned()
    for name, each in (("value", plan), ("over", plan.model_copy(update={"is_over": True, "now_at": None}))):
        yield f"plan_ahead {name}", plan_ahead.view(each)
        yield f"plan_why {name}", plan_ahead.why(each)
    for name, has_devices in (("none", True), ("not set up", False)):
        nothing_ = plan_ahead.PlanTimeline(**AT, has_devices=has_devices)
        yield f"plan_ahead {name}", plan_ahead.view(nothing_)
        yield f"plan_why {name}", plan_ahead.why(nothing_)


def planned() -> plan_ahead.PlanTimeline:
    """A plan of three steps: the car charges while it is cheap."""
    lanes = (
        plan_ahead.PlanRow(kind="sun", label="PV inverter", energy="solar", values=(0.0, 1.5, 3.0)),
        plan_ahead.PlanRow(kind="use", label="Household", energy="other", values=(0.5, 0.5, 0.4)),
        plan_ahead.PlanRow(kind="use", label="Car charger", energy="car", values=(7.4, 0.0, 0.0)),
        plan_ahead.PlanRow(kind="level", label="Home battery", energy="battery", values=(50.0, 60.0, 75.0)),
    )
    measured = (
        plan_ahead.PlanRow(kind="use", label="Use", energy="other", values=(1.2, 0.9, None, None)),
        plan_ahead.PlanRow(kind="sun", label="Solar", energy="solar", values=(0.3, 0.0, None, None)),
        plan_ahead.PlanRow(kind="level", label="Home battery", energy="battery", values=(48.0, 50.0, None, None)),
    )
    spell = plan_ahead.Spell(
        device="Car charger", energy="car", start="13:00", end="13:15", verb="charges the car with", kwh=1.85,
        prices=(2.1, 2.1), why="not charging on Mon 13:00 would cost 0.4 CZK more",
    )  # fmt: skip
    return plan_ahead.PlanTimeline(
        **AT, currency="CZK", cost=82.1, cost_without=110.4, made="5 January 2026, 13:00",
        edges=tuple(NOW + timedelta(minutes=15 * at) for at in range(4)), now_at=1, past=(NOW - timedelta(minutes=15),),
        prices=(None, 2.1, 3.2, 5.0), bands=("mid", "cheap", "mid", "dear"), lanes=lanes, spells=(spell,),
        measured=measured, remarks=("the tank is taken as half full",),
    )  # fmt: skip


def promised() -> Iterator[tuple[str, Widget]]:
    """States of the tile of promises."""
    for name, broken in (("value", 1), ("finding", 2), ("none", 0)):
        hour = trials.BrokenPromise(when="5 January 2026, 12:00", promised=1.2, paid=1.5)
        yield f"promises {name}", trials.promises(
            trials.PromisesKept(**AT, hours=8 if broken else 0, days=3, may_share=0.1, most_share=0.19,
                                  currency="EUR", broken=(hour,) * broken)
        )  # fmt: skip


def all_() -> Iterator[tuple[str, Widget]]:
    """Every state of every tile."""
    yield from (*states(), *promised(), *listed(), *homes())


def document() -> dict[str, Any]:
    """Content of the golden file."""
    told = {name: widget.model_dump(mode="json", exclude_defaults=True) for name, widget in all_()}
    for widget in told.values():
        if "picture" in widget:
            # How it is drawn is another test's.
            widget["picture"] = {"caption": widget["picture"]["caption"]}
        if "sparks" in widget:
            widget["sparks"] = [*widget["sparks"]]
    return told


def main() -> None:
    GOLDEN.write_text(json.dumps(document(), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
