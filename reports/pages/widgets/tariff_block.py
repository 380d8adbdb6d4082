"""Widget 7: the block of the tariff that holds now, its price, until when, and what comes next."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from data_quality.contracts.model import Model
from data_quality.contracts.sentence import Sentence, sentences
from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import Given, nothing
from reports.texts.locales import named
from reports.texts.numbers import MISSING, currency_unit, format_alike
from reports.writer import words


class Block(Model):
    """A period of a charge, and the span of quarter hours around an instant in which it holds.

    price: of a kWh; None where it has tiers or comes from a series. until_utc: None beyond the days looked at.
    period_id: empty where a price stream says the price.
    """

    charge_id: str
    period_id: str
    price: Decimal | None
    why_no_price: str = ""
    until_utc: datetime | None = None
    until_local: str = ""
    next_period: str = ""
    next_price: Decimal | None = None


class TariffBlock(Given):
    """blocks: of every energy charge that has periods, the first leads. day: what kind of day it is. stream: the name
    of the price stream by which the site buys; its price is then the one block.
    """

    blocks: tuple[Block, ...] = ()
    currency: str = ""
    tariff: str = ""
    day: str = ""
    stream: str = ""


def view(given: TariffBlock) -> Widget:
    """The tile."""
    key, title = "tariff_block", "Tariff block now"
    if not given.blocks:
        return nothing(key, title, given, given.reason or "no tariff set up", is_set_up=bool(given.reason))
    first, *others = [_number(each, given) for each in given.blocks]
    return Widget(
        key=key, title=title, state="finding" if given.findings else "value", value=first, age=given.age,
        numbers=(*others, *_next(given.blocks, given)), findings=given.findings, link=given.link,
        is_synthetic=given.is_synthetic,
    )  # fmt: skip


def _number(block: Block, given: TariffBlock) -> Number:
    until = Sentence("until {0}", block.until_local) if block.until_local else Sentence("for more than a week")
    parts = (until, Sentence(given.day), given.tariff and named(given.tariff))
    note = Sentence("{0}, by the site file", sentences(parts, ", "))
    if given.stream:
        note = Sentence("until {0}, by the price stream", block.until_local)
    return Number(
        label=named(given.stream or f"{words(block.charge_id)}: {words(block.period_id)}"),
        text=_price(block.price, given.locale),
        unit=f"{currency_unit(given.currency)}/kWh",
        note=note if block.price is not None else sentences((Sentence(block.why_no_price), note)),
    )


def _next(blocks: Sequence[Block], given: TariffBlock) -> list[Number]:
    return [
        Number(
            label="Then", note=named(words(each.next_period)) if each.next_period else "",
            text=_price(each.next_price, given.locale), unit=f"{currency_unit(given.currency)}/kWh",
        )
        for each in blocks
        if each.next_period or each.next_price is not None
    ]  # fmt: skip


def _price(price: Decimal | None, locale: str) -> str:
    # Not the currency's code as the unit: a price of a kWh needs more than two decimals.
    return MISSING if price is None else format_alike([price], "price", locale=locale)[0]
