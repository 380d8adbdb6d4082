"""One bill line by line: billed, expected by readings and tariff, the difference, and its cause in words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from assets.bills.dispute.reconcile import ReconciledLine, Reconciliation
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.time import local_day
from reports.datasets.bills import OWNERS
from reports.figures.bill_figures import AuditedBill, BillFigures, BillNumbers
from reports.pages.address import Address, why_of
from reports.pages.bills import PATH, STATES, amount_tile, dates_text, picture_address
from reports.pages.chart import Chart, ChartRow
from reports.pages.page import Cards, Page, PageBlock, Part, Steps
from reports.pages.widgets.tile import TileInput, nothing
from reports.report_content import Cell, Column, Paragraph, Row, Table, Tone
from reports.texts.locales import MISSING, format_alike, format_number, long_date, named, short_date, unit_text, written
from reports.writer import words

_TITLES = ("Billed", "Expected", "Difference")


def bill_page(figures: BillFigures, bill: AuditedBill, address: Address, *, below: tuple[Part, ...] = ()) -> Page:
    """One bill. below: what people did about it and what can be done."""
    shown = _Bill(figures, bill, address)
    parts = [Part(key="bill", blocks=tuple(shown.answer()))]
    if bill.audit is not None:
        parts.append(Part(key="picture", blocks=(shown.picture(bill.audit),)))
        parts.append(Part(key="lines", blocks=(shown.lines(bill.audit),)))
    parts += below
    parts.append(Part(key="facts", blocks=(shown.facts(),)))
    links = [("All bills", address.href(PATH))]
    if bill.bill.scan is not None:
        links.append((Sentence("Page {0} of the bill as it was sent", 1), picture_address(bill, 1, address)))
    age = Sentence("{0} · {1}", dates_text(bill, address.locale), Sentence(STATES[bill.state][0]))
    return Page(
        title=Sentence("Bill {0}", named(bill.name)), address=address, age=age,
        parts=tuple(parts), whys=shown.whys, links=tuple(links),
        is_synthetic=figures.site.is_simulated,
    )  # fmt: skip


class _Bill:
    """The parts of the page, and where their numbers are explained."""

    def __init__(self, figures: BillFigures, bill: AuditedBill, address: Address) -> None:
        self.all, self.bill, self.address, self.locale = figures, bill, address, address.locale
        self.currency = bill.bill.currency or figures.site.currency
        self.numbers = figures.of(bill)
        self.tariffs = {each.tariff_id: each.name or each.tariff_id for each in figures.site.tariffs}
        self.whys: dict[str, str] = {}
        for line in bill.audit.lines if bill.audit else ():
            self._noted(figures.of(bill, line))
        self._noted(self.numbers)

    def answer(self) -> Iterator[PageBlock]:
        """Verdict on the line, and its three amounts."""
        yield self._verdict()
        if self.numbers is None:
            given = TileInput(address=self.address)
            yield Cards(widgets=(nothing("billed", "Billed", given, "The dates of the bill could not be read."),))
            return
        tone: Tone = "bad" if self.bill.state == "differs" else "plain"
        yield Cards(
            widgets=tuple(
                amount_tile(
                    title.lower(), title, figure, self.whys.get(figure.figure_id, ""), locale=self.locale,
                    signed=at == 2, tone=tone if at == 2 else "plain", span=4,
                )
                for at, (title, figure) in enumerate(zip(_TITLES, self.numbers, strict=True))
            )
        )  # fmt: skip

    def picture(self, audit: Reconciliation) -> Chart:
        """The lines beside what was expected of each."""
        billed = ChartRow(label="Billed", values=tuple(map(_value, (each.billed for each in audit.lines))))
        ours = tuple(map(_value, (each.recomputed for each in audit.lines)))
        rows = (billed, ChartRow(label="Expected", role="expected", values=ours))
        return Chart(
            kind="ranked", key="bill_lines", title="Billed and expected by line", unit=self.currency,
            x=tuple(map(_called, audit.lines)), x_title="Line", rows=rows, locale=self.locale,
        )  # fmt: skip

    def facts(self) -> Steps:
        """Facts of the bill, and of its check."""
        bill, audit = self.bill.bill, self.bill.audit
        names = self.tariffs
        facts = [
            ("State", STATES[self.bill.state][0]),
            ("Supplier", named(bill.supplier)),
            ("Account", named(bill.account)),
            ("Meter", named(bill.meter)),
            ("Tariff on the bill", named(", ".join(names.get(each, each) for each in bill.tariff_codes))),
            ("File", named(bill.file)),
            ("Not read", Sentence("{0} parts of the bill", len(bill.unread)) if bill.unread else ""),
        ]
        if audit is not None:
            share = written(f"{audit.coverage:.1%}", self.locale)
            facts += [
                ("Tariff that applies", named(", ".join(names.get(each, each) for each in audit.tariffs))),
                ("Readings", Sentence("{0} of the time is covered by readings", share)),
                ("Notes", sentences([named(each) for each in audit.notes]) if audit.notes else ""),
            ]  # fmt: skip
        if self.bill.checked_at_utc is not None:
            day = local_day(self.bill.checked_at_utc, self.all.site.time_zone)
            facts.append(("Checked", long_date(day, self.locale)))
        return Steps(title="Details", steps=tuple((name, text, "") for name, text in facts if text))

    def _verdict(self) -> Paragraph:
        audit = self.bill.audit
        if audit is None:
            why = self.bill.refused
            text = Sentence("Not checked: {0}", why) if why else "Not checked yet. Bills are checked every night."
            return Paragraph(text=text, tone="caution")
        if audit.verdict == "agrees":
            return Paragraph(text="The bill matches readings and tariff on every line.", tone="good")
        causes = sentences([Sentence(words(each)) for each in (audit.cause, *audit.also)], ", ")
        evidence = sentences([named(in_words(each, self.tariffs, audit.lines, self.locale)) for each in audit.evidence])
        return Paragraph(text=Sentence("Cause: {0}. {1}", causes, evidence), tone="bad")

    def lines(self, audit: Reconciliation) -> Table:
        """A row a line, and what they come to."""
        money, units = unit_text(self.currency), {each.unit for each in audit.lines}
        per = f"{money}/{next(iter(units))}" if len(units) == 1 and "" not in units else ""
        # Where the tariff names nobody, nothing is split and no column says so.
        owner = (Column(title="Belongs to"),) if any(each.owner != "unknown" for each in audit.lines) else ()
        columns = (
            Column(title="Line", weight=3), *owner, Column(title="Billed quantity", is_number=True),
            Column(title="Metered quantity", is_number=True), Column(title="Billed rate", unit=per, is_number=True),
            Column(title="Tariff rate", unit=per, is_number=True), Column(title="Billed", unit=money, is_number=True),
            Column(title="Expected", unit=money, is_number=True),
            Column(title="Difference", unit=money, is_number=True),
        )  # fmt: skip
        rows = [Row(cells=self._line(each, has_owner=bool(owner))) for each in audit.lines]
        sums = (audit.billed_total, audit.recomputed_total, audit.delta_total)
        blank = [Cell(text="")] * (4 + len(owner))
        total = Row(cells=(Cell(text="Total"), *blank, *self._money(sums, None)), is_total=True)
        return Table(
            key="bill-lines", title="Line by line", sheet="lines", columns=columns, rows=(*rows, total),
            note="A quantity or rate in red is another than that of meter or tariff.",
        )  # fmt: skip

    def _line(self, line: ReconciledLine, *, has_owner: bool) -> tuple[Cell, ...]:
        quantities = [self._quantity(each, line.unit) for each in (line.billed_quantity, line.recomputed_quantity)]
        rates = [self._rate(each) for each in (line.billed_rate, line.recomputed_rate)]
        sums = (line.billed, line.recomputed, line.delta)
        pairs = (*_pair(quantities), *_pair(rates))
        owner = Cell(text=Sentence(OWNERS[line.owner]), tone="muted" if line.owner == "unknown" else "plain")
        return (Cell(text=_called(line)), *([owner] if has_owner else ()), *pairs, *self._money(sums, line))

    def _money(
        self, amounts: tuple[Decimal | None, Decimal | None, Decimal], line: ReconciledLine | None
    ) -> tuple[Cell, ...]:
        """Billed, expected and their difference, each led back to where it is explained."""
        found = self.all.of(self.bill, line) or (None, None, None)
        cells = []
        for at, (amount, figure) in enumerate(zip(amounts, found, strict=True)):
            text = format_number(amount, decimals=2, locale=self.locale, signed=at == 2)
            linked = "" if figure is None or figure.value is None else figure.figure_id
            # What one side lacks has no difference of two figures; its amount is the whole of it.
            cells.append(Cell(text=text, figure_id=linked, tone="bad" if at == 2 and amount else "plain"))
        return tuple(cells)

    def _quantity(self, value: Decimal | None, unit: str) -> str:
        [text] = format_alike([value], unit.lower(), locale=self.locale)
        return text if value is None else f"{text} {unit}".strip()

    def _rate(self, value: Decimal | None) -> str:
        return format_number(value, decimals=4, locale=self.locale)

    def _noted(self, numbers: BillNumbers | None) -> None:
        for figure in numbers or ():
            if figure.value is not None:
                self.whys[figure.figure_id] = why_of(figure, self.address, self.all.book.by_id)


def _called(line: ReconciledLine) -> str:
    """As the bill calls it; ids of a tariff are words with lines between them."""
    return named((line.label or line.id).replace("_", " "))


def in_words(evidence: str, tariffs: Mapping[str, str], lines: Sequence[ReconciledLine], locale: str = "en") -> str:
    """Evidence with tariffs and lines by their names in place of their ids, and its days as people write them; an id
    that is a plain word or a number stays, since the sentence may mean the word. tariffs: names by id.
    """
    evidence = re.sub(r"\b\d{4}-\d\d-\d\d\b", lambda day: short_date(date.fromisoformat(day[0]), locale), evidence)
    names = {**tariffs, **{each.id: _called(each) for each in lines}}
    names = {each: name for each, name in names.items() if not (each.isalpha() or each.isdecimal())}
    names |= {f"{each.id} ({each.label})": _called(each) for each in lines}
    whole = "|".join(re.escape(each) for each in sorted(names, key=len, reverse=True))
    # In quotation marks: names hold commas, and evidence lists them.
    return (
        re.sub(rf"(?<![\w.-])({whole})(?![\w-])", lambda found: f"“{names[found[0]]}”", evidence) if names else evidence
    )


def _pair(texts: list[str]) -> tuple[Cell, Cell]:
    """Billed and right amount, the first in red where it differs."""
    billed, right = texts
    is_wrong = billed != right and MISSING not in texts
    return Cell(text=billed, tone="bad" if is_wrong else "plain"), Cell(text=right)


def _value(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
