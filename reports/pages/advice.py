"""Recommendations of a site: cards with saving, cost and payback, and one with its reasons, history and acts."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

from data_quality.contracts.reporting.recommendation import NEXT_STATES, Recommendation, RecommendationState
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from reports.advice_words import title_of
from reports.pages.address import Address
from reports.pages.chart import Chart, ChartRow
from reports.pages.numbers import Number
from reports.pages.page import (
    REASON,
    Cards,
    Choice,
    Form,
    Input,
    Item,
    Lack,
    Look,
    Option,
    Page,
    PageBlock,
    Part,
    Widget,
)
from reports.report_content import Paragraph, Table, table
from reports.texts.locales import format_number, moment, named, period_text, unit_text

PATH = "/advice"
TAKES = ("status", "search", "page")
CARDS_A_PAGE = 12
STATES: Mapping[RecommendationState, tuple[str, Look]] = {
    "new": ("new", "info"), "acknowledged": ("acknowledged", "info"), "scheduled": ("scheduled", "info"),
    "accepted": ("accepted", "good"), "dismissed": ("dismissed", "muted"), "done": ("done", "good"),
    "measured": ("measured", "good"),
}  # fmt: skip
# Act: the state that it leads to, and its words.
ACTS: Mapping[str, tuple[RecommendationState, str, str]] = {
    "accept": ("accepted", "Accept", "A work order is opened; the baseline is fitted before anything changes."),
    "schedule": ("scheduled", "Schedule", "It is decided on that day."),
    "acknowledge": ("acknowledged", "Acknowledge", "It stays open."),
    "dismiss": ("dismissed", "Dismiss", "It is not proposed again for these days."),
    "measure": ("measured", "Measure saving", "The saving since its work order was done, compared with the estimate."),
}  # fmt: skip


class Reason(NamedTuple):
    """A sentence in words of the locale, in pieces: text, and the id of its figure where it is a number."""

    pieces: tuple[tuple[str, str], ...]


class AdviceDetail(NamedTuple):
    """A recommendation as its page is given it. may: names of acts; people: names by id; is_running: an act of it.
    wording: a language model's, of some of its reasons.
    """

    site: Site
    of: Recommendation
    scope: str
    reasons: Sequence[Reason]
    history: Sequence[Recommendation]
    people: Mapping[str, str]
    may: frozenset[str]
    estimated_kwh: float | None = None
    is_running: bool = False
    wording: str = ""


def advice_page(
    site: Site, known: Sequence[Recommendation], shown: Sequence[Recommendation], scopes: Mapping[str, str],
    address: Address, *, run: Form | None, looked: Text, lacks: Lack,
) -> Page:  # fmt: skip
    """Cards, the largest saving of money first. known: all of the site; shown: those that are asked for; scopes: names
    of what each is about, by id. run: the button that has them looked for; looked: what a run looked at and found none
    in; lacks: what the site has none of yet.
    """
    at = max(int(address.part("page") or 1), 1)
    cards = shown[(at - 1) * CARDS_A_PAGE : at * CARDS_A_PAGE]
    blocks: list[PageBlock] = [_choice(known, address), _search(address)]
    if cards:
        blocks += _worths(cards, scopes, address)
        blocks.append(Cards(widgets=tuple(_card(site, each, scopes, address) for each in cards)))
    else:
        none = looked or "No recommendation is known yet. Analysts find them."
        none = "No recommendation of this kind." if known else none
        blocks.append(Paragraph(text=none, tone="muted") if known or run is None else run)
    parts = [Part(key="advice", blocks=tuple(blocks))]
    if compared := [each for each in known if each.measured is not None]:
        parts.append(
            Part(key="measured", title="Estimated and measured", blocks=(_calibration(compared, scopes, address),))
        )
    links = [] if at == 1 else [("Previous page", address.href(page=str(at - 1) if at > 2 else None))]
    links += [("Next page", address.href(page=str(at + 1)))] if len(shown) > at * CARDS_A_PAGE else []
    return Page(
        title=Sentence("Recommendations: {0}", named(site.name)), address=address, parts=tuple(parts),
        links=tuple(links), lacks="" if known else lacks, is_synthetic=site.is_simulated,
    )  # fmt: skip


def advice_href(of: Recommendation, address: Address) -> str:
    """Address of the page of one recommendation."""
    kept = {"scope": None, "period": None, **dict.fromkeys(TAKES)}
    return address.href(f"{PATH}/{of.recommendation_id}", site=of.site_id, **kept)


def detail_page(detail: AdviceDetail, address: Address) -> Page:
    """One recommendation: saving, cost, payback, its reasons with their numbers, history and acts."""
    of, locale = detail.of, address.locale
    ids = {figure_id for reason in detail.reasons for _, figure_id in reason.pieces if figure_id}
    whys = {each: address.href("/why", site=of.site_id, scope=None, period=None, figure=each) for each in ids}
    parts = [
        Part(key="saving", blocks=(Cards(widgets=_figures(detail, locale)),)),
        Part(key="reasons", blocks=(*_wording(detail), _reasons(detail, whys))),
        Part(key="history", blocks=(_history(detail, locale),)),
    ]
    if detail.is_running:
        parts.append(Part(key="acts", blocks=(Paragraph(text="An act is being carried out. Open the page again."),)))
    elif forms := tuple(_form(act, detail, address) for act in ACTS if _offered(act, detail)):
        parts.append(Part(key="acts", title="Acts", blocks=forms))
    links = [("All recommendations", address.href(PATH))]
    if of.order_id:
        links.insert(0, ("Open task", address.href(f"/tasks/{of.order_id}", site=of.site_id)))
    return Page(
        title=title_of(of, detail.scope), address=address, parts=tuple(parts), links=tuple(links),
        state=STATES[of.status], is_synthetic=of.is_synthetic, age=period_text(of.start, of.end, locale),
    )  # fmt: skip


def stamp_of(of: Recommendation) -> str:
    """Stamp of the recommendation that a form was made of; any act in between changes it."""
    return f"{of.status}:{of.recorded_at_utc.isoformat() if of.recorded_at_utc else ''}"


def _worths(shown: Sequence[Recommendation], scopes: Mapping[str, str], address: Address) -> list[PageBlock]:
    """Savings of money side by side, each with its band; of one there is nothing to compare."""
    known = [each for each in shown if each.savings_money is not None and each.interval_money is not None]
    if len(known) < 2 or len({each.currency for each in known}) > 1:
        return []
    values, low, high = (
        tuple(map(float, ends))
        for ends in zip(*((each.savings_money or 0, *(each.interval_money or (0, 0))) for each in known), strict=True)
    )
    row = ChartRow(label="Saving", role="saved", values=values, low=low, high=high)
    return [Chart(
        kind="ranked", key="worths", title="Savings by recommendation", unit=known[0].currency, locale=address.locale,
        x=tuple(title_of(each, scopes[each.recommendation_id]) for each in known), x_title="Recommendation",
        rows=(row,), note="Of the days that each looked at; 90 % bands.",
    )]  # fmt: skip


def _choice(known: Sequence[Recommendation], address: Address) -> Choice:
    counts = {name: sum(each.status == name for each in known) for name in STATES}
    chosen = address.part("status")
    options = [
        Option(text=Sentence("Open ({0})", sum(each.is_open for each in known)),
               href=address.href(status=None, page=None), is_chosen=not chosen),
        *(
            Option(text=Sentence("{0} ({1})", Sentence(STATES[name][0]), count),
                   href=address.href(status=name, page=None), is_chosen=chosen == name)
            for name, count in counts.items() if count
        ),
    ]  # fmt: skip
    return Choice(label="State", options=tuple(options))


def _search(address: Address) -> Form:
    kept = (("site", address.site), ("status", address.part("status")), ("locale", address.part("locale")))
    fields = (
        Input(name="search", label="Search", value=address.part("search")),
        *(Input(name=name, kind="hidden", value=value) for name, value in kept if value),
    )
    return Form(key="search", title="Search", action=PATH, method="get", fields=fields)


def _card(site: Site, of: Recommendation, scopes: Mapping[str, str], address: Address) -> Widget:
    locale, state = address.locale, STATES[of.status][0]
    numbers = (_cost(of, locale), _payback(of, locale))
    worth = _worth(of, locale)
    sure = Sentence("confidence {0}, difficulty {1} of 5", Sentence(of.confidence_label), of.difficulty)
    kwh = _saving("Energy", of.savings_kwh, "kwh", None, locale)
    energy = Sentence("{0} kWh", kwh.text) if of.savings_money is not None and of.savings_kwh else ""
    days = period_text(of.start, of.end, locale, is_short=True)
    worth = worth.model_copy(update={"note": sentences([days, worth.note, energy, sure], " · ")})
    return Widget(
        key=f"advice-{of.recommendation_id}", title=title_of(of, scopes[of.recommendation_id]), state="value",
        value=worth, numbers=tuple(each for each in numbers if each), hint=Sentence(state), span=4,
        link=advice_href(of, address),
        is_synthetic=of.is_synthetic and not site.is_simulated,
    )  # fmt: skip


def _worth(of: Recommendation, locale: str) -> Number:
    """Its saving of money; of energy where no price is known."""
    if of.savings_money is not None:
        return _saving("Saving", of.savings_money, of.currency, of.interval_money, locale)
    return _saving("Saving", of.savings_kwh, "kwh", of.interval_kwh, locale)


def _saving(label: str, value: Decimal, unit: str, interval: tuple[Decimal, Decimal] | None, locale: str) -> Number:
    """A number with its band, to the unit from a hundred on."""
    decimals = 0 if abs(value) >= 100 else 1
    text, *ends = (format_number(each, decimals=decimals, locale=locale) for each in (value, *(interval or ())))
    # Ends that are written alike are no band.
    note = Sentence("90 %: {0} to {1}", *ends) if len(set(ends)) > 1 else ""
    return Number(label=label, text=text, unit=unit_text(unit), note=note)


def _cost(of: Recommendation, locale: str) -> Number | None:
    return None if of.cost_money is None else _saving("Cost", of.cost_money, of.currency, of.interval_cost, locale)


def _payback(of: Recommendation, locale: str) -> Number:
    if of.payback_months is None:
        return Number(label="Payback", text="–", note="No cost is stated")
    low, high = (format_number(each, decimals=0, locale=locale) for each in of.interval_months or (0, 0))
    note = Sentence("90 %: {0} to {1}", low, high) if of.interval_months else ""
    text = format_number(of.payback_months, decimals=0, locale=locale)
    return Number(label="Payback", text=text, unit="months", note=note)


def _figures(detail: AdviceDetail, locale: str) -> tuple[Widget, ...]:
    of = detail.of
    cost = _cost(of, locale)
    found = [("saving", _worth(of, locale))]
    if of.savings_money is not None and of.savings_kwh:
        found.append(("energy", _saving("Energy", of.savings_kwh, "kwh", of.interval_kwh, locale)))
    if of.savings_kgco2e:
        found.append(("emissions", _saving("Emissions", of.savings_kgco2e, "kgco2e", of.interval_kgco2e, locale)))
    found += [] if cost is None else [("cost", cost)]
    if of.measured is not None:
        measured = _saving("Measured saving", of.measured.savings_kwh, "kwh", of.measured.interval_kwh, locale)
        if of.measured.claimed_kwh is None:
            measured = measured.model_copy(update={"note": Sentence("{0}; not to be claimed", measured.note or "–")})
        found.append(("realised", measured))
        if detail.estimated_kwh is not None:
            estimate = _saving("Estimated for as many days", Decimal(repr(detail.estimated_kwh)), "kwh", None, locale)
            found.append(("estimated", estimate))
    return tuple(
        Widget(
            key=key, title=number.label, state="value", value=number, span=3,
            numbers=(_payback(of, locale),) if key == ("saving" if cost is None else "cost") else (),
        )
        for key, number in found
    )  # fmt: skip


def _wording(detail: AdviceDetail) -> tuple[Paragraph, ...]:
    """Words of a language model; the computed sentences stand below them."""
    sentence = Sentence("In a language model's words: {0}", named(detail.wording))
    return (Paragraph(text=sentence, tone="muted"),) if detail.wording else ()


def _reasons(detail: AdviceDetail, whys: Mapping[str, str]) -> Cards:
    """A line a sentence; each number in it leads to the readings that it is made of."""
    items = tuple(
        Item(
            text=named("".join(text for text, _ in reason.pieces)),
            pieces=tuple((text, whys.get(figure_id, "")) for text, figure_id in reason.pieces),
            icon="chart-column" if any(figure_id for _, figure_id in reason.pieces) else "info",
        )
        for reason in detail.reasons
    )
    return Cards(widgets=(Widget(key="reasons", title="Reasons", state="value", items=items, span=12),))


def _history(detail: AdviceDetail, locale: str) -> Table:
    local = zone(detail.site.time_zone)
    rows = [
        (
            moment(each.recorded_at_utc.astimezone(local), locale) if each.recorded_at_utc else "–",
            Sentence(STATES[each.status][0]),
            named(detail.people.get(each.person_id, each.person_id)) if each.person_id else "–",
            named(each.reason) if each.reason else "–",
        )
        for each in detail.history
    ]
    return table("history", "History", ("When", "State", "Who", "Reason"), rows)


def _offered(act: str, detail: AdviceDetail) -> bool:
    leads_to = ACTS[act][0]
    is_next = leads_to in NEXT_STATES[detail.of.status] and (act != "measure" or bool(detail.of.baseline))
    return is_next and act in detail.may


def _form(act: str, detail: AdviceDetail, address: Address) -> Form:
    _, label, note = ACTS[act]
    seen = Input(name="seen", kind="hidden", value=stamp_of(detail.of))
    due = (Input(name="due", label="Due", kind="date", is_required=True),) if act == "schedule" else ()
    action = address.href(
        f"{PATH}/{detail.of.recommendation_id}/{act}", site=detail.of.site_id, scope=None, period=None
    )
    return Form(title=label, action=action, fields=(*due, REASON, seen), note=note)


def _calibration(compared: Sequence[Recommendation], scopes: Mapping[str, str], address: Address) -> Cards:
    """Estimated and measured saving of each that was measured, for the same days."""
    measured = [each for each in compared if each.measured is not None]
    days = [each.measured.days if each.measured else 0 for each in measured]
    estimated = tuple(
        float(each.savings_kwh) * n / max((each.end - each.start).days, 1)
        for each, n in zip(measured, days, strict=True)
    )
    saved = [each.measured for each in measured if each.measured]
    chart = Chart(
        kind="band", key="calibration", title="Estimated and measured saving", unit="kwh",
        x=tuple(title_of(each, scopes[each.recommendation_id]) for each in measured), locale=address.locale,
        rows=(
            ChartRow(label="Estimated", values=estimated, role="expected"),
            ChartRow(
                label="Measured", values=tuple(float(each.savings_kwh) for each in saved),
                low=tuple(float(each.interval_kwh[0]) if each.interval_kwh else None for each in saved),
                high=tuple(float(each.interval_kwh[1]) if each.interval_kwh else None for each in saved),
            ),
        ),
        note="For the days that were measured; 90 % bands.",
    )  # fmt: skip
    return Cards(
        widgets=(Widget(key="calibration", title=chart.title, hint="kWh", state="value", chart=chart, span=12),)
    )
