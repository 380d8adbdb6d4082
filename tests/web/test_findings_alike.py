"""Findings that are alike stand once on a board, what each is worth stands at its end with where it comes from."""

from datetime import UTC, datetime

from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.sentence import Sentence
from reports.pages.address import Address
from reports.pages.findings import OpenFindings, findings_tile
from reports.pages.page import Item
from reports.texts.locales import page_word

HERE = Address(path="/board/ops", site="plant")
SILENT = Sentence("no collector runs")


def dead(source: str, severity: int = 2) -> OpenFinding:
    return OpenFinding(
        site_id="plant", source="jobs and sources", cause=f"source_dead {source}", severity=severity,
        what=Sentence("source {0}: {1}", source, SILENT), kind=SILENT, of=source,
        at_utc=datetime(2026, 1, 5, tzinfo=UTC),
    )  # fmt: skip


def lines(*found: OpenFinding, **more: object) -> tuple[Item, ...]:
    links = {each.finding_id: f"/findings/{each.finding_id}" for each in found}
    return findings_tile(OpenFindings(address=HERE, open=found, links=links, may_act=True, **more)).items


def test_what_several_have_in_common_stands_once_and_opens_to_each() -> None:
    other = dead("press").model_copy(update={"kind": "", "what": "the press stands still"})
    group, alone = lines(dead("hall"), other, dead("roof"), dead("yard"))
    assert (group.text, alone.text) == ("no collector runs: 3 findings", "the press stands still")
    assert page_word(group.detail, "en").startswith("hall, roof, yard · High")
    assert [page_word(each.text, "en") for each in group.parts] == ["hall", "roof", "yard"]
    assert not group.acts
    assert {verb for each in group.parts for verb, _ in each.acts} == {"Acknowledge", "Mute"}
    # Of another severity somebody else may have to act.
    assert len(lines(dead("hall"), dead("roof", severity=3))) == 2


def test_money_is_a_figure_with_its_reason_or_is_not_there() -> None:
    air = OpenFinding(site_id="plant", source="EnPI alerts", cause="air 2025-Q4 critical", severity=2, what="+6 %")
    [without] = lines(air)
    assert without.worth is None
    money = {
        "loss": 38.25 * 90,
        "loss_days": 90,
        "currency": "EUR",
        "loss_of": "product(a@seu:air@2025,b@seu:air@2025)",
    }
    [priced] = lines(air.model_copy(update=money), subjects={air.finding_id: "/enpi/plant/air"})
    assert priced.worth is not None
    assert (priced.worth.text, priced.worth.unit) == ("38.25", "€/day")
    assert priced.worth.why == "/why?site=plant&of=product%28a%40seu%3Aair%402025%2Cb%40seu%3Aair%402025%29"
    assert "3,442.50 € in 90 days" in page_word(priced.detail, "en")
    assert [verb for verb, _ in priced.acts] == ["Create task", "Mute"]
    # Without an expression of figures the number leads to what the finding is about.
    [plain] = lines(air.model_copy(update=money | {"loss_of": ""}), subjects={air.finding_id: "/enpi/plant/air"})
    assert plain.worth is not None
    assert plain.worth.why == "/enpi/plant/air"


def test_the_head_adds_up_losses_that_are_not_the_same_energy() -> None:
    def lost(source: str, a_day: float, currency: str = "EUR") -> OpenFinding:
        money = {"loss": a_day * 10, "loss_days": 10, "currency": currency}
        return OpenFinding(site_id="plant", source=source, cause=f"{source} {a_day}", severity=2, what="+", **money)

    def head(*found: OpenFinding) -> tuple[str, str]:
        value = findings_tile(OpenFindings(address=HERE, open=found, asked=("devices",))).value
        assert value is not None
        return page_word(value.text, "en").replace("\N{NO-BREAK SPACE}", " "), page_word(value.note, "en")

    use, night, bill = lost("EnPI alerts", 12.5), lost("anomalies", 7.25), lost("bill audits", 30.0)
    # The night may be energy of the use that is over its limit.
    assert head(use, night, bill, dead("hall")) == ("4 open · 42.50 €/day", "2 with a loss · sources: devices")
    assert head(night, bill) == ("2 open · 37.25 €/day", "sources: devices")
    assert head(bill, lost("anomalies", 3.0, "CZK")) == ("2 open", "sources: devices")
    assert head(dead("hall")) == ("1 open", "sources: devices")


def test_the_day_of_a_finding_is_one_of_its_site() -> None:
    far = dead("hall").model_copy(
        update={"at_utc": datetime(2026, 1, 5, 12, tzinfo=UTC), "time_zone": "Pacific/Auckland"}
    )
    until_midnight = far.model_copy(update={"at_utc": datetime(2026, 1, 5, 11, tzinfo=UTC), "is_end": True})
    told = [page_word(line.detail, "en").rpartition(" · ")[2] for each in (far, until_midnight) for line in lines(each)]
    assert told == ["since 6 January 2026", "since 5 January 2026"]
