"""The car: how full its battery is, how full it is to be, and when."""

from data_quality.contracts.sentence import Sentence, Text
from reports.pages.numbers import Number, Picture
from reports.pages.page import Act, Widget
from reports.pages.widgets.tile import TileInput, nothing
from reports.svg.markup import bullet_svg
from reports.texts.locales import format_number, page_word

KEY, TITLE = "car", "Car"


class Car(TileInput):
    """charge_percent: of its battery, as the plan has it for now; None where no plan says it. target: share of the site
    file, to be reached by departure. is_away: whether no car was there when the plan was made. note: what
    the plan remarks of it. acts: what the person may do; by_hand: what somebody has set.
    """

    charge_percent: float | None = None
    target: float | None = None
    departure: str = ""
    is_away: bool = False
    has_charger: bool = True
    note: Text = ""
    acts: tuple[Act, ...] = ()
    by_hand: Text = ""


def view(given: Car) -> Widget:
    """The tile: charge, target and a bullet of both."""
    if not given.has_charger:
        return nothing(KEY, TITLE, given, "no car charger at this site", is_set_up=False)
    if given.charge_percent is None:
        why = "no car is connected" if given.is_away else "no plan has the car's state of charge"
        return nothing(KEY, TITLE, given, given.by_hand or given.reason or why).model_copy(update={"acts": given.acts})
    text = format_number(given.charge_percent, decimals=0, locale=given.locale)
    aim = _aim(given)
    svg = bullet_svg(page_word(TITLE, given.locale), given.charge_percent / 100, target=given.target, energy="car",
                     text=page_word(Sentence("{0} % charged", text), given.locale))  # fmt: skip
    return Widget(
        key=KEY, title=TITLE, state="value", link=given.link, is_synthetic=given.is_synthetic, findings=given.findings,
        value=Number(label="State of charge", text=text, unit="%", note=aim), reason=given.by_hand or given.note,
        acts=given.acts,
        picture=Picture(key=KEY, title=TITLE, svg=svg, caption=aim or TITLE),
    )  # fmt: skip


def _aim(given: Car) -> Text:
    if given.target is None:
        return "by the plan"
    text = format_number(given.target * 100, decimals=0, locale=given.locale)
    return Sentence("target {0} % by {1}", text, given.departure) if given.departure else Sentence("target {0} %", text)
