"""One energy use: actual and expected, savings with their band, the model, events, quarters, index over three years."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from data_quality.contracts.baselines.baseline import POLICY_WORDS, BaselineStatus, BaselineVersion
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, local_day
from reports.assess import SHOWN, Quarter
from reports.figures.use_data import UseData
from reports.pages.address import Address
from reports.pages.adjustment_acts import adjustment_span
from reports.pages.chart import Chart, ChartRow, Limit, Role, day_ticks, ticks_of
from reports.pages.energy_uses import ENPI, day_charts, use_address, why_quarter
from reports.pages.numbers import Number
from reports.pages.page import Cards, Choice, Form, Item, Look, Option, Page, PageBlock, Part, Widget
from reports.report_content import Cell, Column, Table, table
from reports.texts.locales import (
    format_alike,
    named,
    period_text,
    quarter_text,
    short_date,
    span_text,
    unit_text,
    written,
)
from reports.writer import significance, words

REPORTS, FINDINGS = "/reports", "/findings"
GRAINS = {"month": "Month", "day": "Day"}
LOOKS: dict[str, Look] = {"good": "good", "caution": "warn", "bad": "bad", "muted": "muted", "plain": "good"}


def use_page(data: UseData, address: Address, run: Form | None = None, acts: tuple[PageBlock, ...] = ()) -> Page:
    """Figures of the span, how it ran, what it is held against, what happened; then quarters and three years. run: the
    button that fits the first baseline; acts: on the adjustments of the baseline.
    """
    rows = [_figures(data, address), _performance(data, address), _evidence(data, address), _history(data, address)]
    kept = [tuple(each for each in row if each is not None) for row in rows]
    blocks = (*([] if run is None else [run]), *(Cards(widgets=row) for row in kept if row))
    csv = address.href(f"{ENPI}/{data.site.site_id}/{data.seu.seu_id}/quarters.csv")
    links = [("CSV of the quarters", csv), ("All uses", address.href(ENPI, period=None, grain=None))]
    return Page(
        title=named(f"{data.seu.name}, {data.site.name}"),
        address=address,
        parts=(
            Part(key="performance", blocks=(*_choices(data, address), *blocks)),
            *([Part(key="adjustments", title="Adjustments of the baseline", blocks=acts)] if acts else []),
        ),
        age=_stands(data, address),
        state=_state(data),
        links=tuple(links),
        whys=_whys(data, address),
        is_synthetic=any(each.result.is_synthetic for each in data.quarters) or data.site.is_simulated,
    )


def _state(data: UseData) -> tuple[Text, Look] | None:
    newest = data.newest
    return None if newest is None else (words(newest.standing), LOOKS[newest.tone])


def _stands(data: UseData, address: Address) -> Text:
    """Standing of the newest quarter that can be assessed."""
    newest = data.newest
    if newest is None:
        reasons = dict.fromkeys(words(each.result.reason) for each in data.quarters if each.result.reason)
        text = Sentence("No quarter can be assessed")
        return sentences((text, *map(Sentence, reasons)), ": ") if reasons else text
    [percent] = format_alike([newest.figures["deviation_percent"].value], "percent", locale=address.locale, signed=True)
    sure = Sentence(significance(newest.result.significant))
    quarter = quarter_text(newest.period.start, newest.period.end, address.locale)
    return Sentence("{0} % against baseline in {1}, {2}", percent, quarter, sure)


def _choices(data: UseData, address: Address) -> Iterator[Choice]:
    site, chosen = data.site, None if data.version is None else data.version.version
    uses = [
        (named(each.name), use_address(address, site.site_id, each.seu_id, baseline=None), each.seu_id)
        for each in site.seus
    ]
    yield _choice("Energy use", uses, data.seu.seu_id)
    known = {each.baseline.train_start.year for each in data.versions} | {data.span.start.year}
    known |= {data.newest.period.end.year} if data.newest is not None else set()
    years = [(str(year), address.href(period=str(year)), str(year)) for year in range(min(known), max(known) + 1)]
    yield _choice("Year", years, data.span.label)
    grains = [(text, address.href(grain=grain), grain) for grain, text in GRAINS.items()]
    yield _choice("By", grains, _grain(address))
    if data.versions:
        versions = [
            (Sentence("v{0} {1}", each.version, Sentence(each.status.value)), address.href(baseline=str(each.version)),
             each.version)
            for each in data.versions
        ]  # fmt: skip
        yield _choice("Baseline", versions, chosen)


def _choice(label: str, options: Sequence[tuple[str, str, str | int]], chosen: str | int | None) -> Choice:
    """options: text, address and what it stands for."""
    every = tuple(Option(text=text, href=href, is_chosen=what == chosen) for text, href, what in options)
    return Choice(label=label, options=every)


def _grain(address: Address) -> str:
    return address.grain if address.grain in GRAINS else "month"


def _figures(data: UseData, address: Address) -> Iterator[Widget]:
    """The four figures of the span."""
    whole, rule, version = data.whole, data.seu.status_rule, data.version
    if whole is None:
        return
    period = period_text(whole.period.start, whole.period.end, address.locale)
    limits = f"{rule.warn_percent:g}", f"{rule.crit_percent:g}", Sentence(POLICY_WORDS[rule.policy])
    of_index = Sentence("actual ÷ expected; above {0} % a warning, above {1} % critical ({2})", *limits)
    yield _figure(data, address, "enpi", Sentence("EnPI {0}", period), of_index)
    meters = sentences([Sentence(words(data.seu.carrier.value)), *map(data.site.stream_name, data.seu.meters)], ", ")
    yield _figure(data, address, "actual_kwh", "Actual", meters)
    by = Sentence("Version {0} at the conditions of {1}", "" if version is None else version.version, period)
    yield _figure(data, address, "expected_kwh", "Expected by baseline", by if version else "")
    [band] = format_alike([whole.figures["uncertainty_kwh"].value], "kwh", locale=address.locale)
    sure = Sentence(significance(whole.result.significant))
    note = Sentence("± {0} kWh at {1} %, {2}", band, f"{100 * whole.result.confidence:g}", sure)
    saved = _figure(data, address, "savings_kwh", "Savings", note)
    worth = whole.figures.get("savings_value")
    if worth is not None and worth.value is not None and saved.value is not None:
        more = _number(whole, data, address, "savings_value", "Worth at daily prices", "")
        saved = saved.model_copy(update={"numbers": (more,)})
    yield saved


def _figure(data: UseData, address: Address, measure: str, title: Text, note: Text) -> Widget:
    whole = data.whole
    assert whole is not None  # noqa: S101 - asked by _figures alone
    value, figure = _number(whole, data, address, measure, title, note), whole.figures[measure]
    if figure.value is None:
        reason = Sentence(words(figure.status or whole.result.reason or "missing"))
        return Widget(key=measure, title=title, state="none", reason=reason, value=value, span=3)
    return Widget(key=measure, title=title, state="value", value=value, span=3)


def _number(whole: Quarter, data: UseData, address: Address, measure: str, label: Text, note: Text) -> Number:
    figure = whole.figures[measure]
    [text] = format_alike([figure.value], figure.unit, locale=address.locale)
    tone = whole.tone if measure == "enpi" else "plain"
    why = why_quarter(whole, address, data.site.site_id, measure)
    unit = unit_text(figure.unit)
    return Number(label=label, text=text, unit=unit, note=note, why=why, tone=tone, figure_id=figure.figure_id)


def _performance(data: UseData, address: Address) -> Iterator[Widget | None]:
    """Actual against expected, beside the model that expects."""
    locale = address.locale
    if data.version is None:
        yield _model(data, address)
        return
    if _grain(address) == "day":
        yield _card("performance", 8, _chart_of("days", data, locale))
    else:
        yield _card("performance", 8, _months(data, locale))
    yield _model(data, address)


def _card(key: str, span: int, chart: Chart | None, title: Text = "") -> Widget | None:
    if chart is None:
        return None
    return Widget(key=key, title=title or chart.title, hint=chart.hint, state="value", chart=chart, span=span)


def _chart_of(key: str, data: UseData, locale: str) -> Chart | None:
    """One of the charts of days."""
    charts = day_charts(data.days, _events(data), locale, training=data.training)
    return next((each for each in charts if each.key == key), None)


def _events(data: UseData) -> list[tuple[str, Text]]:
    """Adjustments with the day on which each begins."""
    return [(str(each.adjustment.start), named(each.adjustment.reason)) for each in data.adjustments]


def _months(data: UseData, locale: str) -> Chart | None:
    """Energy by month over what was expected, and below what lies between."""
    if not data.months:
        return None
    rows = [
        ChartRow(label="Actual", values=_values(data.months, "actual_kwh"), figures=_ids(data.months, "actual_kwh")),
        ChartRow(
            label="Expected", role="expected", style="steps", values=_values(data.months, "expected_kwh"),
            figures=_ids(data.months, "expected_kwh"),
        ),
        ChartRow(
            label="Difference", role="saved", lane="Difference", values=_values(data.months, "delta_kwh"),
            figures=_ids(data.months, "delta_kwh"), is_signed=True,
        ),
    ]  # fmt: skip
    before = [data.before.get(each.name) for each in data.months]
    if any(before) and data.version is not None:
        label = Sentence("Actual in {0}, the training", data.version.baseline.train_start.year)
        rows.insert(2, ChartRow(label=label, role="third", style="line", values=tuple(map(_value, before))))
    starts = [(each.adjustment.start, named(each.adjustment.reason)) for each in data.adjustments]
    events = [
        (at, text)
        for at, each in enumerate(data.months)
        for start, text in starts
        if each.period.start <= start < each.period.end
    ]
    return Chart(
        kind="bars", key="bars", title="Actual against expected", unit="kwh", hint="kWh by month, below: difference",
        x=tuple(_span(each.period, locale) for each in data.months), x_title="Month", rows=tuple(rows),
        ticks=day_ticks([f"{each.period.start:%Y-%m}" for each in data.months], locale),
        events=tuple(events), locale=locale, note="Of days that can be compared; the training as it was metered.",
    )  # fmt: skip


def _ids(quarters: Sequence[Quarter], measure: str) -> tuple[str, ...]:
    return tuple(each.figures[measure].figure_id for each in quarters)


def _value(figure: Figure | None) -> float | None:
    return None if figure is None or figure.value is None else float(figure.value)


def _values(quarters: Sequence[Quarter], measure: str) -> tuple[float | None, ...]:
    return tuple(_value(each.figures[measure]) for each in quarters)


def _model(data: UseData, address: Address) -> Widget:
    """The model with its statistics and its drivers; without one, how to get it."""
    version, locale = data.version, address.locale
    common = {"key": "model", "title": "Baseline model", "span": 4 if version else 12}
    if version is None:
        reason = "There is no baseline yet. Analysts fit one; another person approves it."
        if data.versions:
            reason = "No version of the baseline is approved. Another person than who fitted it approves one."
        return Widget(**common, state="value", reason=reason)
    fit, stats = version.baseline, version.baseline.statistics
    last = fit.train_end - timedelta(days=1)
    trained = f"{short_date(fit.train_start, locale)} – {short_date(last, locale)}"
    outside = None if data.whole is None else data.whole.result
    pairs: list[tuple[Text, Text, Text]] = [
        ("R² adjusted", written(f"{stats.r2_adj:.3f}", locale), ""),
        ("CV(RMSE)", written(f"{100 * stats.cvrmse_g14:.1f} %", locale),
         Sentence("{0} held out", written(f"{100 * stats.cvrmse_out_of_sample:.1f} %", locale))),
        ("Training period", trained, Sentence("{0} days, {1} parameters", stats.n, stats.p)),
    ]  # fmt: skip
    if outside is not None:
        text = Sentence("{0} of {1} days", outside.extrapolated_days, outside.compared_days)
        pairs.append(("Outside trained range", text, ""))
    numbers = tuple(Number(label=label, text=text, note=note) for label, text, note in pairs)
    formula = formula_text(data.site, version, locale)
    return Widget(
        **common, state="value", command=formula, numbers=numbers, items=tuple(_drivers(data)), hint="kWh/day"
    )


def formula_text(site: Site, version: BaselineVersion, locale: str, *, digits: int = 4) -> str:
    """The model in one line, kWh a day, with the drivers as the site names them. digits: significant ones."""
    names = {each.driver_id: site.stream_name(each.driver_id) for each in site.drivers}
    terms = [
        f"{each.value:.{digits}g}{'' if each.name == 'intercept' else f' · {names.get(each.name, each.name)}'}"
        for each in version.baseline.coefficients
    ]
    return written(f"E = {' + '.join(terms)}".replace("+ -", "− "), locale)


def _versions(data: UseData, address: Address) -> Iterator[Item]:
    """Versions in the life of the baseline: what each was trained on, and whose word it rests on."""
    for each in sorted(data.versions, key=lambda version: -version.version):
        is_in_force = each.status is BaselineStatus.APPROVED
        day = short_date(local_day(each.fitted_at_utc, data.site.time_zone), address.locale)
        about = [Sentence("fitted by {0}, {1}", named(data.person(each.fitted_by)), named(day))]
        if each.approved_by and each.approved_at_utc:
            day = short_date(local_day(each.approved_at_utc, data.site.time_zone), address.locale)
            approver = named(data.person(each.approved_by))
            about.append(Sentence("approved by {0}, {1}: {2}", approver, named(day), named(each.reason)))
        if each.rejected_by:
            about.append(Sentence("rejected: {0}", named(each.reason)))
        yield Item(
            text=Sentence(f"Version {{0}} {each.status.value}", each.version),
            detail=sentences(about, "; "),
            tone="good" if is_in_force else "plain",
            icon="shield-check" if is_in_force else "pen-line",
            href=address.href(baseline=str(each.version)),
        )


def _drivers(data: UseData) -> Iterator[Item]:
    for driver in data.seu.drivers:
        yield Item(
            text=named(data.site.stream_name(driver.driver_id)), detail=named(driver.justification), icon="activity"
        )


def _evidence(data: UseData, address: Address) -> Iterator[Widget | None]:
    """The running sum of savings, energy by its driver, the versions of the baseline, and what happened."""
    yield _card("savings", 5, _chart_of("savings", data, address.locale))
    yield _card("driver", 4, _chart_of("driver", data, address.locale))
    happened = tuple(_happened(data, address))
    none = "" if happened else "No adjustment, flag, alert, or reason to review the baseline."
    items = (*_versions(data, address), *happened, *_report(data, address))
    yield Widget(key="events", title="Events and reports", state="value", reason=none, items=items, span=3)


def _report(data: UseData, address: Address) -> Iterator[Item]:
    if data.last_report:
        href = address.href(REPORTS, site=data.site.site_id, period=None, grain=None)
        text = Sentence("EnPI report {0}", span_text(data.last_report, data.site.time_zone, address.locale))
        yield Item(text=text, icon="file-text", acts=(("Show reports", href),))


def _happened(data: UseData, address: Address) -> Iterator[Item]:
    findings = address.href(FINDINGS, site=data.site.site_id, period=None, grain=None)
    for alert in data.alerts:
        yield Item(
            text=Sentence(words(alert.kind)), detail=alert.message, tone="bad", icon="triangle-alert",
            acts=(("Show findings", findings),),
        )  # fmt: skip
    for review in data.reviews:
        yield Item(
            text=Sentence(words(review.code)), detail=review.message, tone="caution", icon="triangle-alert",
            acts=(("Show findings", findings),),
        )  # fmt: skip
    for each in data.adjustments:
        text = sentences((named(each.adjustment.reason), Sentence(each.status.value)), ": ")
        yield Item(text=text, detail=adjustment_span(data, each, address.locale), icon="pen-line")
    flags = dict.fromkeys(flag for each in data.quarters for flag in each.result.review_flags)
    for flag in flags:
        labels = ", ".join(
            _span(each.period, address.locale) for each in data.quarters if flag in each.result.review_flags
        )
        yield Item(text=Sentence(words(flag)), detail=labels, tone="caution", icon="info")


def _history(data: UseData, address: Address) -> Iterator[Widget | None]:
    """Quarters as a table, and the index of every version over three years."""
    if data.quarters:
        table = _table(data.quarters, address.locale)
        yield Widget(key="quarters", title="Quarters", hint=data.span.label, state="value", table=table, span=8)
    yield _card("index", 4 if data.quarters else 12, _index(data, address.locale), "Index over three years")


def _table(quarters: Sequence[Quarter], locale: str) -> Table:
    numbers = (Column(title=name, unit=unit_text(unit), is_number=True) for name, unit in SHOWN.values())
    columns: tuple[Column | Text, ...] = ("Quarter", *numbers, "Status", "Significant", "Days compared")
    texts = {
        name: format_alike(
            [each.figures[name].value for each in quarters], unit, locale=locale, signed=name == "deviation_percent"
        )
        for name, (_, unit) in SHOWN.items()
    }
    rows: list[tuple[Cell | Text, ...]] = []
    for at, each in enumerate(quarters):
        result = each.result
        cells = [Cell(text=texts[name][at], figure_id=each.figures[name].figure_id) for name in SHOWN]
        reason = Sentence(words(result.reason)) if result.reason else ""
        status = sentences((Sentence(words(each.standing)), reason), ": ")
        sure = {True: "yes", False: "no", None: "–"}[result.significant]
        last = (Cell(text=status, tone=each.tone), sure, f"{result.compared_days} / {result.days}")
        rows.append((_span(each.period, locale).replace(" ", "\u00a0"), *cells, *last))
    return table("quarters", "Quarters", columns, rows)


def _index(data: UseData, locale: str) -> Chart | None:
    """One series a version; 100 is what the version expects."""
    spans = {each.period.label: each.period for quarters in data.trend.values() for each in quarters}
    labels = sorted(spans)
    if not labels:
        return None
    roles: tuple[Role, ...] = ("measured", "third", "fourth")
    # A chart has three kinds of line: the newest versions are drawn.
    drawn = sorted(data.trend, reverse=True)[: len(roles)]
    rows = []
    for number, role in zip(sorted(drawn), roles, strict=False):
        known = {each.period.label: each.figures["enpi_index"] for each in data.trend[number]}
        found = [known.get(each) for each in labels]
        ids = tuple("" if each is None else each.figure_id for each in found)
        rows.append(ChartRow(label=f"v{number}", role=role, values=tuple(map(_value, found)), figures=ids))
    texts = [_span(spans[each], locale) for each in labels]
    return Chart(
        kind="line", key="index", title="EnPI index", unit="", hint="100 · actual / expected", x=tuple(texts),
        x_title="Quarter", rows=tuple(rows), ticks=ticks_of(texts), limit=Limit(label="100, as expected", value=100.0),
        locale=locale, note="Quarters of a version's own training lie near 100 by construction.",
    )  # fmt: skip


def _span(period: Period, locale: str) -> str:
    return period_text(period.start, period.end, locale, is_short=True)


def _whys(data: UseData, address: Address) -> dict[str, str]:
    every = [*data.months, *data.quarters, *(each for quarters in data.trend.values() for each in quarters)]
    return {
        figure.figure_id: why_quarter(each, address, data.site.site_id, name)
        for each in every
        for name, figure in each.figures.items()
    }
