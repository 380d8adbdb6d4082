"""Widget 10: three shares that are never one: own generation used, own use covered, and what contracts say."""

from reports.pages.numbers import Picture
from reports.pages.page import Widget
from reports.pages.widgets.tile import TileFigure, TileInput, nothing, number, tile
from reports.svg.markup import Ring, rings_svg
from reports.texts.locales import MISSING, page_word

NAMES = {
    "self_consumption_rate": "Own generation used here",
    "self_sufficiency": "Use covered by own generation",
    "contractual_renewable_share": "Renewable by contract",
}
# Of a share that a site cannot have.
ABSENT = ("no_generation", "no_contract")


class Renewable(TileInput):
    """shares: by KPI, of the newest whole month."""

    shares: tuple[tuple[str, TileFigure], ...] = ()
    span: str = ""


def view(given: Renewable) -> Widget:
    """The tile: the first share that is known leads; the others stand beside it, each with its own reason."""
    shares = dict(given.shares)
    known = [kpi for kpi in NAMES if kpi in shares and shares[kpi].figure.value is not None]
    if all(each.figure.status in ABSENT for each in shares.values()):
        why = given.reason or "no own generation and no contract"
        return nothing("renewable", "Renewable shares", given, why, is_set_up=bool(given.reason))
    lead = known[0] if known else next(kpi for kpi in NAMES if kpi in shares)
    more = [number(NAMES[kpi], shares.get(kpi), given.locale) for kpi in NAMES if kpi != lead]
    rings = [_ring(kpi, shares.get(kpi), given.locale) for kpi in NAMES]
    picture = Picture(key="renewable-rings", title="Renewable shares", svg=rings_svg("Renewable shares", rings),
                      caption="Three shares of different wholes")  # fmt: skip
    return tile(
        "renewable",
        "Renewable shares",
        given,
        shares[lead],
        picture=picture,
        label=NAMES[lead],
        note=given.span,
        more=more,
    )


def _ring(kpi: str, shown: TileFigure | None, locale: str) -> Ring:
    value = None if shown is None else shown.figure.value
    made = number(NAMES[kpi], shown, locale)
    name = page_word(NAMES[kpi], locale)
    return Ring(name, None if value is None else float(value), MISSING if value is None else f"{made.text} %")
