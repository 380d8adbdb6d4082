"""Widget 4: the month's highest demand in the tariff's own window, when it was, and what is billed at the least."""

from data_quality.contracts.sentence import Sentence, Text
from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, Shown, bullet, number, tile, value_of


class PeakDemand(Given):
    """peak: of the month so far; at: its local time. running: mean of the window so far. months_before: the highest of
    the months that a ratchet looks back on. rule: what the tariff says of it, in words.
    """

    peak: Shown | None = None
    at: str = ""
    running: Shown | None = None
    minutes_left: int = 0
    window_minutes: int = 0
    projected: Shown | None = None
    target_kw: str = ""
    months_before: Shown | None = None
    rule: Text = ""


def view(given: PeakDemand) -> Widget:
    """The tile: highest demand, the running window, the projection, the target."""
    window = given.window_minutes
    # Readings that come by the day end with a window that is over: nothing of it is left to wait for.
    is_over, left = not given.minutes_left, Sentence("{0} of {1} minutes left", given.minutes_left, window)
    if is_over:
        left = Sentence("of {0} minutes", window)
    more: list[Number] = [
        number(
            "Last window" if is_over else "Running window", given.running, given.locale, note=left if window else ""
        ),
        number("Projected for the month", given.projected, given.locale),
    ]
    if given.target_kw:
        more.append(Number(label="Target", text=given.target_kw, unit="kW"))
    if given.rule:
        more.append(number("Highest of the months before", given.months_before, given.locale, note=given.rule))
    key, title, said = "peak_demand", "Peak demand of the month", "Highest demand, projected, and target"
    target = float(given.target_kw) if given.target_kw else value_of(given.months_before)
    picture = bullet(key, title, given, given.peak, projected=given.projected, target=target, said=said)
    shown = picture if target is not None else None
    return tile(key, title, given, given.peak, label="Highest", note=given.at, more=more, picture=shown)
