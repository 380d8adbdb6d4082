"""The inbox of a site's bills: billed against readings and tariff, which bill is wrong, and what people decided."""

from collections.abc import Sequence
from datetime import date, timedelta

from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.reporting.open_finding import FindingEvent
from data_quality.contracts.sentence import Sentence, Text
from reports.figures.bill_figures import AuditedBill, BillFigures, BillNumbers, BillState
from reports.pages.address import Address, why_of
from reports.pages.chart import Chart, ChartRow, ticks_of
from reports.pages.findings import history_table
from reports.pages.numbers import Number
from reports.pages.page import REASON, Cards, Form, Input, Page, PageBlock, Part, Widget
from reports.pages.widgets.tile import TileInput, nothing
from reports.report_content import Cell, Column, Paragraph, Row, Table, Tone
from reports.texts.locales import MISSING, format_number, month_year, named, period_text, unit_text

PATH = "/bills"
STATES: dict[BillState, tuple[str, Tone]] = {
    "matches": ("Matches", "good"), "differs": ("Differs", "bad"), "not_checked": ("Not checked", "muted"),
    "disputed": ("Disputed", "caution"), "accepted": ("Accepted", "plain"), "draft": ("To confirm", "caution"),
}  # fmt: skip
MONTHS = 12
BESIDE_ROWS = 5
# An address that names the bills of a sum holds about so many of them.
_MOST_NAMED = 24


def bills_page(figures: BillFigures, address: Address, *, upload: str = "") -> Page:
    """Figures first, then the list beside the months; whether a bill is wrong is seen without scrolling.

    upload: where one is added.
    """
    shown = _Shown(figures, address)
    blocks: tuple[PageBlock, ...] = (Cards(widgets=(*shown.figures(), shown.list(), shown.months())),)
    if not figures.bills:
        blocks = (Paragraph(text="No bill is stored."),)
    return Page(
        title="Bills", address=address, age=named(figures.site.name), parts=(Part(key="bills", blocks=blocks),),
        first=("Upload bill", upload) if upload else None, links=tuple(shown.wrong()), whys=shown.whys,
        chips={"bills": 1}, is_synthetic=figures.site.is_simulated,
        lacks="" if figures.bills or upload else "readings",
    )  # fmt: skip


def bill_address(bill_id: str, address: Address) -> str:
    """Address of the page of one bill."""
    return address.href(f"{PATH}/{bill_id}", scope=None, period=None)


def picture_address(bill: AuditedBill, page: int, address: Address, kind: str = "") -> str:
    """Address of one page of a bill that was sent as a picture. kind: .png of the picture alone."""
    return bill_address(f"{bill.bill_id}/pages/{page}{kind}", address)


def dates_text(bill: AuditedBill, locale: str) -> str:
    """The dates of a bill in words."""
    if bill.bill.start is None or bill.bill.end is None:
        return Sentence("dates not read")
    return named(period_text(bill.bill.start, bill.bill.end, locale))


def amount_tile(
    key: str,
    title: str,
    figure: Figure,
    why: str,
    *,
    locale: str,
    note: str = "",
    signed: bool = False,
    tone: Tone = "plain",
    span: int = 3,
) -> Widget:
    """An amount of money to the cent; of none, that the bill is not checked."""
    if figure.value is None:
        return Widget(key=key, title=title, state="none", reason="Not checked yet", span=span)
    text = format_number(figure.value, decimals=2, locale=locale, signed=signed)
    value = Number(
        label=title, text=text, unit=unit_text(figure.unit), note=note, why=why, tone=tone, figure_id=figure.figure_id
    )
    return Widget(key=key, title=title, state="value", value=value, span=span)


class _Shown:
    """The parts of the page, and where their numbers are explained."""

    def __init__(self, figures: BillFigures, address: Address) -> None:
        self.all, self.address, self.locale = figures, address, address.locale
        self.bills = figures.bills[::-1]
        self.months_of = figures.by_month(MONTHS)
        year = [each for mine in self.months_of.values() for each in mine]
        self.year, self.checked = year, [each for each in year if each.audit is not None]
        self.whys: dict[str, str] = {}
        # A list as high as the chart stands beside it, a shorter one above.
        self.is_long = len(self.bills) >= BESIDE_ROWS

    def figures(self) -> tuple[Widget, ...]:
        """Four figures: the newest bill, a year, its difference, and how many bills somebody must look at."""
        return (self._newest(), self._year(), self._difference(), self._wrong())

    def list(self) -> Widget:
        """A row a bill, the newest first."""
        unit = unit_text(self.all.site.currency)
        columns = (
            Column(title="Period"), Column(title="State"),
            *(Column(title=each, unit=unit, is_number=True) for each in ("Billed", "Expected", "Difference")),
            Column(title="Invoice"),
        )  # fmt: skip
        rows = tuple(Row(cells=self._row(each)) for each in self.bills)
        content = Table(key="bills", title="Bills", sheet="bills", columns=columns, rows=rows)
        return Widget(key="bills", title="Bills", state="value", table=content, span=8 if self.is_long else 12)

    def months(self) -> Widget:
        """Billed against expected, by the month in which a bill ends."""
        found = [self.all.total(mine, f"{at[0]}-{at[1]:02}") for at, mine in self.months_of.items()]
        numbers = [each for each in found if each is not None]
        if not numbers:
            return nothing(
                "bill_months", "Billed and expected by month", self._given(), "No bill has dates that were read."
            )
        labels = [month_year(date(*at, 1), self.locale, is_short=True) for at in self.months_of]
        rows = [
            ChartRow(label=label, role="expected" if at else "measured", style="steps" if at else "",
                     values=tuple(_value(each, at) for each in numbers),
                     figures=tuple(self._why(each[at]) for each in numbers))
            for at, label in enumerate(("Billed", "Expected"))
        ]  # fmt: skip
        chart = Chart(
            kind="bars", key="bill_months", title="Billed and expected by month", unit=self.all.site.currency,
            x=tuple(map(named, labels)), x_title="Month", rows=tuple(rows), ticks=ticks_of(labels), locale=self.locale,
        )  # fmt: skip
        return Widget(
            key="bill_months",
            title="Billed and expected by month",
            state="value",
            chart=chart,
            span=4 if self.is_long else 12,
        )

    def wrong(self) -> tuple[tuple[Text, str], ...]:
        """Next step on the newest bill that differs, with its address."""
        found = [each for each in self.bills if each.state == "differs"][:1]
        return tuple(
            (title_of("dispute", each, self.locale), bill_address(each.bill_id, self.address)) for each in found
        )

    def _newest(self) -> Widget:
        bill = next((each for each in self.bills if self.all.is_summed(each)), None)
        numbers = None if bill is None else self.all.of(bill)
        if bill is None or numbers is None:
            return nothing("bill_newest", "Newest bill", self._given(), "No bill has dates that were read.")
        note = Sentence("{0} · {1}", dates_text(bill, self.locale), Sentence(STATES[bill.state][0]))
        return self._tile("bill_newest", "Newest bill", numbers.billed, note)

    def _year(self) -> Widget:
        numbers = self.all.total(self.year, "year") if self.year else None
        if numbers is None:
            return nothing("bill_year", "Billed in 12 months", self._given(), "No bill has dates that were read.")
        last = numbers.billed.end - timedelta(days=1)
        span = f"{month_year(numbers.billed.start, self.locale)} – {month_year(last, self.locale)}"
        note = Sentence("{0} · {1} bills", named(span), len(self.year))
        return self._tile("bill_year", "Billed in 12 months", numbers.billed, note)

    def _difference(self) -> Widget:
        numbers = self.all.total(self.checked, "checked") if self.checked else None
        if numbers is None:
            return nothing("bill_delta", "Billed less expected", self._given(), "No bill was checked yet.")
        note = Sentence("{0} of {1} bills checked", len(self.checked), len(self.year))
        tone: Tone = "bad" if any(each.state == "differs" for each in self.checked) else "plain"
        return self._tile("bill_delta", "Billed less expected", numbers.difference, note, signed=True, tone=tone)

    def _wrong(self) -> Widget:
        counts = {state: sum(each.state == state for each in self.bills) for state in STATES}
        parts = (counts["disputed"], counts["not_checked"])
        note = Sentence("{0} disputed · {1} not checked", *parts)
        tone: Tone = "bad" if counts["differs"] else "good"
        text = Sentence("{0} of {1} bills", counts["differs"], len(self.bills))
        value = Number(label="Bills that differ", text=text, note=note, tone=tone)
        return Widget(key="bill_wrong", title="Bills that differ", state="value", value=value, span=3)

    def _row(self, bill: AuditedBill) -> tuple[Cell, ...]:
        state, tone = STATES[bill.state]
        return (
            Cell(text=dates_text(bill, self.locale), href=bill_address(bill.bill_id, self.address)),
            Cell(text=state, tone=tone),
            *self._numbers(bill),
            Cell(text=named(bill.name), tone="muted"),
        )

    def _numbers(self, bill: AuditedBill) -> tuple[Cell, ...]:
        found, locale = self.all.of(bill), self.locale
        if found is None:
            text = format_number(bill.bill.amount_due, decimals=2, locale=locale)
            return (Cell(text=text), Cell(text=MISSING), Cell(text=MISSING))
        tones: tuple[Tone, ...] = ("plain", "plain", "bad" if bill.state == "differs" else "plain")
        cells = []
        for at, (figure, tone) in enumerate(zip(found, tones, strict=True)):
            text = format_number(figure.value, decimals=2, locale=locale, signed=at == 2)
            is_other = figure.value is not None and not self.all.has_currency(bill)
            # A bill in another currency says so; the head names the site's.
            text += f" {unit_text(figure.unit)}" if is_other else ""
            cells.append(Cell(text=text, figure_id=self._why(figure), tone=tone))
        return tuple(cells)

    def _tile(
        self, key: str, title: str, figure: Figure, note: str, *, signed: bool = False, tone: Tone = "plain"
    ) -> Widget:
        return amount_tile(
            key, title, figure, self.whys.get(self._why(figure), ""), locale=self.locale, note=note, signed=signed,
            tone=tone,
        )  # fmt: skip

    def _why(self, figure: Figure) -> str:
        """The id under which the figure is explained; of no value, or of more bills than an address names, none."""
        if figure.value is None or len(figure.trace.inputs) > _MOST_NAMED:
            return ""
        self.whys[figure.figure_id] = why_of(figure, self.address, self.all.book.by_id)
        return figure.figure_id

    def _given(self) -> TileInput:
        return TileInput(address=self.address)


def _value(numbers: BillNumbers, at: int) -> float | None:
    value = numbers[at].value
    return None if value is None else float(value)


# What is done with a bill of a state, the usual act first.
ACTS: dict[BillState, tuple[str, ...]] = {
    "differs": ("dispute", "accept"), "disputed": ("withdraw", "accept"), "accepted": ("withdraw",),
}  # fmt: skip
_EFFECT = {
    "dispute": "It leaves the list of findings until a check has another result. Nothing is sent to the supplier.",
    "accept": "It leaves the list of findings until a check has another result.",
    "withdraw": "It is on the list of findings again.",
}


def acts_parts(
    bill: AuditedBill,
    history: Sequence[tuple[str, FindingEvent, str]],
    *,
    seen: str,
    site_id: str,
    locale: str,
    may_act: bool,
) -> tuple[Part, ...]:
    """Forms of what can be done, and the history. seen: what tells whether somebody acted since the page was made."""
    acts = ACTS.get(bill.state, ())
    parts = []
    if acts and may_act:
        forms = tuple(_form(each, bill, seen, site_id, locale) for each in acts)
        parts.append(Part(key="acts", title="Acts", blocks=forms))
    elif acts:
        why = "Analysts dispute and accept bills."
        parts.append(Part(key="acts", blocks=(Paragraph(text=why, tone="muted"),)))
    if acts:
        table = history_table(history, "Nobody has decided on this bill yet.")
        parts.append(Part(key="history", blocks=(table,)))
    return tuple(parts)


def title_of(act: str, bill: AuditedBill, locale: str) -> str:
    """The verb and its object: Dispute 1,089.27 €."""
    if act == "dispute" and bill.audit is not None:
        if not bill.audit.delta_total:
            return "Dispute bill"
        amount = format_number(abs(bill.audit.delta_total), decimals=2, locale=locale)
        return Sentence("Dispute {0}", f"{amount} {unit_text(bill.audit.currency)}")
    if act == "withdraw":
        return "Withdraw dispute" if bill.state == "disputed" else "Withdraw acceptance"
    return "Accept as billed"


def _form(act: str, bill: AuditedBill, seen: str, site_id: str, locale: str) -> Form:
    action = f"{PATH}/{bill.bill_id}/{act}?site={site_id}"
    fields = (Input(name="seen", kind="hidden", value=seen), REASON)
    return Form(title=title_of(act, bill, locale), action=action, fields=fields, note=_EFFECT[act])
