"""Findings for people: the list, one finding, and acts by name and reason; page, API and command say the same."""

import html
import json
import re
from datetime import timedelta
from urllib.parse import unquote, urlencode

from typer.testing import CliRunner

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.job_outcomes import OF_NO_SITE, JobOutcome, record_outcomes
from data_quality.contracts.people import Person, Role
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent, event_id_of
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.views.open_findings import FindingsQuery, open_findings
from tests.reports import plant
from tests.web.asking import PAGE, Answer
from tests.web.marts_world import Asking
from tests.web.why_world import ANNE, posted, tenant

VERA = Person(person_id="vera", name="Vera", roles=(Role.VIEWER,))


def listed(asking: Asking, **query: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = asking.json("/anomalies", site="plant", **query)["findings"]
    return found


def act(asking: Asking, finding_id: object, what: str, **form: str) -> int:
    return posted(asking, f"/findings/{finding_id}/{what}?site=plant", form=form).status


def test_page_api_and_command_list_the_same_findings(acted: Asking) -> None:
    found = listed(acted)
    assert found
    page = html.unescape(acted.get("/findings", headers=[PAGE], site="plant").text)
    assert all(f"/findings/{each['finding_id']}?" in page for each in found)
    words = ["findings", "list", "--site", "plant", "--project", str(acted.project.project.root), "--json"]
    assert json.loads(CliRunner().invoke(build_app(("findings",)), words).stdout)["findings"] == found


def sent(asking: Asking, finding_id: object, act: str, **more: object) -> Answer:
    return posted(asking, f"/api/v1/ems/anomalies/{finding_id}?site=plant", {"act": act, **more}, method="PATCH")


def test_a_program_acts_as_the_page_and_the_command_do_and_each_act_is_a_row(acted: Asking) -> None:
    first = str(listed(acted)[0]["finding_id"])
    found = sent(acted, first, "acknowledge", reason="seen to")
    [now] = found.said["findings"]
    assert (found.status, now["state"], now["person_id"]) == (200, "acknowledged", "anne")
    assert sent(acted, first, "mute", reason="rebuilding", until="2099-01-01").status == 200
    assert first not in {each["finding_id"] for each in listed(acted)}
    assert sent(acted, first, "reopen", reason="done sooner").status == 200
    events = AlertEvents(acted.project.store).of_site("plant")[first]
    assert [each.act for each in events] == ["acknowledged", "muted", "reopened"]
    # Refused, each in one sentence: no reason, a mute without an end, an end of another act, no such finding or cause.
    refused = (
        sent(acted, first, "explain", reason=" "), sent(acted, first, "mute", reason="x"),
        sent(acted, first, "explain", reason="x", until="2099-01-01"), sent(acted, "none", "explain", reason="x"),
        sent(acted, first, "label", reason="x", cause="moon"), sent(acted, first, "label", reason="x", cause="waste"),
    )  # fmt: skip
    assert all(400 <= each.status < 500 and each.said["detail"] for each in refused)
    assert len(AlertEvents(acted.project.store).of_site("plant")[first]) == 3
    assert sent(Asking(acted.project, acted.clock, VERA), first, "explain", reason="x").status == 403


def test_a_finding_is_acknowledged_with_name_and_reason_and_stays_listed(acted: Asking) -> None:
    first = listed(acted)[0]["finding_id"]
    assert act(acted, first, "acknowledge", reason="the electrician comes <b>today</b>") == 303
    now = next(each for each in listed(acted) if each["finding_id"] == first)
    assert (now["state"], now["person_id"]) == ("acknowledged", "anne")
    page = acted.get(f"/findings/{first}", headers=[PAGE], site="plant").text
    assert "the electrician comes &lt;b&gt;today&lt;/b&gt;" in page
    assert "Reopen finding" not in page


def test_a_muted_finding_leaves_the_list_until_its_day_and_can_be_reopened(acted: Asking) -> None:
    first = listed(acted)[0]["finding_id"]
    assert act(acted, first, "mute", reason="rebuilding", until="2099-01-01") == 303
    assert first not in {each["finding_id"] for each in listed(acted)}
    assert first in {each["finding_id"] for each in listed(acted, all="true")}
    assert act(acted, first, "reopen", reason="done sooner") == 303
    assert first in {each["finding_id"] for each in listed(acted)}


def test_an_act_of_a_moment_ago_is_undone_once_by_who_did_it(acted: Asking) -> None:
    first = listed(acted)[0]["finding_id"]
    assert act(acted, first, "mute", reason="rebuilding", until="2099-01-01") == 303
    about: dict[str, str] = {"site": "plant"}
    page = acted.get(f"/findings/{first}", headers=[PAGE], **about).text
    toast = re.search(r'<div class="toast" role="status">(.*?)</div>', page, re.DOTALL)
    assert toast is not None
    assert "The finding is muted until 1 January 2099 by Anne." in html.unescape(toast[1])
    # The history has its days as people write them, not as a machine does.
    assert re.search(r"\d{1,2} [A-Z][a-z]+ \d{4}, \d\d:\d\d", page.partition('id="table-history"')[2])
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', toast[1]))
    assert form.pop("csrf")
    assert f'action="/findings/{first}/reopen?site=plant"' in toast[1]
    others = Asking(acted.project, acted.clock, VERA.model_copy(update={"roles": (Role.OPERATOR,)}))
    later = Asking(acted.project, FixedClock(acted.clock.now_utc() + timedelta(minutes=2)), acted.person)
    for asking in (others, later):
        assert 'class="toast"' not in asking.get(f"/findings/{first}", headers=[PAGE], **about).text
    for _ in range(2):
        assert act(acted, first, "reopen", **form) == 303
    store = AlertEvents(acted.project.store)
    assert [each.act for each in store.of_site("plant")[str(first)]] == ["muted", "reopened"]
    # The form of an act that somebody went past is refused.
    assert act(acted, first, "acknowledge", reason="seen") == 303
    assert act(acted, first, "reopen", **form) == 412


def test_what_is_wrong_with_an_act_is_said_and_nothing_is_written(acted: Asking) -> None:
    first = listed(acted)[0]["finding_id"]
    assert act(acted, first, "acknowledge", reason=" ") == 422
    assert act(acted, first, "mute", reason="x", until="tomorrow") == 400
    assert act(acted, first, "mute", reason="x", until="2001-01-01") == 422
    assert act(acted, first, "delete", reason="x") == 400
    assert act(acted, "ffffffffffff", "acknowledge", reason="x") == 404
    assert all(each["state"] == "open" for each in listed(acted, all="true"))


def test_who_only_reads_is_offered_no_act_and_may_do_none(acted: Asking) -> None:
    first = listed(acted)[0]["finding_id"]
    vera = Asking(acted.project, acted.clock, VERA)
    page = vera.get(f"/findings/{first}", headers=[PAGE], site="plant").text
    assert "Acknowledge finding" not in page
    assert "Analysts, operators and engineers act on findings." in html.unescape(page)
    assert act(vera, first, "acknowledge", reason="x") == 403
    assert tenant(acted).get(f"/findings/{first}", headers=[PAGE], site="plant").status in (403, 404)


def test_each_finding_has_an_id_of_its_own_that_no_look_changes(acted: Asking) -> None:
    site = acted.project.site("plant")
    look = FindingsQuery(acted.project, site, acted.clock.now_utc())
    german = FindingsQuery(acted.project, site, acted.clock.now_utc(), locale="de")
    ids = [each.finding.finding_id for each in open_findings(look).standing]
    assert len(ids) == len(set(ids))
    assert [each.finding.finding_id for each in open_findings(german).standing] == ids
    assert urlencode({"id": ids[0]}) == f"id={ids[0]}"


def test_what_is_of_no_single_site_is_for_who_sees_every_site(acted: Asking) -> None:
    failed = JobOutcome.of_no_run("ingest", OF_NO_SITE, "the landing folder is gone", acted.clock.now_utc())
    record_outcomes(acted.project.store, [failed], acted.clock)
    [mine] = [each for each in listed(acted) if "landing folder" in str(each["what"])]
    paul = Asking(acted.project, acted.clock, ANNE.model_copy(update={"person_id": "paul", "sites": ("plant",)}))
    assert mine["finding_id"] not in {each["finding_id"] for each in listed(paul)}
    assert paul.get(f"/findings/{mine['finding_id']}", headers=[PAGE], site="plant").status == 404
    assert act(paul, mine["finding_id"], "acknowledge", reason="x") == 404
    assert acted.get(f"/findings/{mine['finding_id']}", headers=[PAGE], site="plant").status == 200


def unusual_night(acted: Asking) -> AnomalyEvent:
    """A stored event of three days ago."""
    start = plant.NOON - timedelta(days=3)
    event = AnomalyEvent(
        event_id=event_id_of("plant", "hvac", "import", "night_waste", start), site_id="plant", meter_id="hvac",
        register_id="import", kind="night_waste", severity=2, start_utc=start, end_utc=start + timedelta(hours=34),
        kwh=412.25, cost=1103.6, currency="EUR", params_version="1", cause="waste", confidence=0.874,
        evidence=(
            {"name": "measured", "value": 900.0, "unit": "kwh"},
            {"name": "night_share", "value": 96.6, "unit": "%", "weight": 1.4},
            {"name": "kind", "value": 1.0, "unit": "1", "weight": 1.1},
        ),
    )  # fmt: skip
    span = {"start_utc": start, "end_utc": plant.NOON, "seen_until_utc": plant.NOON}
    ledger = AnomalyLedger(acted.project.store)
    ledger.publish("plant", [event], **span, judged={("hvac", "import")}, clock=acted.clock)
    return event


def test_an_anomaly_is_listed_with_its_money_and_acted_on_like_any_finding(acted: Asking) -> None:
    event = unusual_night(acted)
    page = html.unescape(acted.get("/findings", headers=[PAGE], site="plant").text)
    assert "use at night unusually high" in page
    assert "412.2 kWh more than usual" in page
    # 34 hours from noon on touch two days of the site.
    assert re.search(r"<bdi>551\.80</bdi></span> <bdi class=\"unit\">€/day</bdi>", page)
    assert "1,103.60 € in 2 days" in page
    assert "Likely cause: Waste, confidence 87 %" in page
    german = html.unescape(acted.get("/findings", headers=[PAGE], site="plant", locale="de").text)
    assert "Verbrauch nachts ungewöhnlich hoch" in german
    one = html.unescape(acted.get(f"/findings/{event.event_id}", headers=[PAGE], site="plant").text)
    assert "/energy?site=plant&scope=meter:hvac&period=" in unquote(one)
    assert "High · unusual use · open · 1,103.60 € in 2 days, 551.80 €/day" in one
    board = html.unescape(acted.get("/board/ops", headers=[PAGE], site="plant").text)
    assert "551.80" in board
    assert "1,103.60" in board
    [said] = [each for each in listed(acted) if each["finding_id"] == event.event_id]
    assert (said["loss"], said["loss_days"], said["loss_per_day"], said["currency"]) == (1103.6, 2, 551.8, "EUR")
    words = ["findings", "list", "--site", "plant", "--project", str(acted.project.project.root)]
    assert "551.80 EUR" in CliRunner().invoke(build_app(("findings",)), words).stdout
    assert acted.get(re.search(r'href="(/energy\?[^"]*meter%3Ahvac[^"]*)"', board)[1], headers=[PAGE]).status == 200  # type: ignore[index]
    assert act(acted, event.event_id, "explain", reason="the fans were tested") == 303
    [said] = acted.json("/anomalies/events", site="plant", all="true")["events"]
    assert (said["id"], said["state"], said["cost"]) == (event.event_id, "explained", 1103.6)
    assert acted.json("/anomalies/events", site="plant")["events"] == []


def test_an_anomaly_shows_its_cause_with_confidence_evidence_and_picture(acted: Asking) -> None:
    event = unusual_night(acted)
    page = html.unescape(acted.get(f"/findings/{event.event_id}", headers=[PAGE], site="plant").text)
    assert "Waste, confidence 87 %" in page
    shown = [re.sub(r"<[^>]+>", "", each) for each in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)]
    assert any("Difference at night" in each and "97 %" in each for each in shown)
    assert any("Detected as" in each and "use at night unusually high" in each for each in shown)
    assert "Measured and usual" in page
    german = html.unescape(acted.get(f"/findings/{event.event_id}", headers=[PAGE], site="plant", locale="de").text)
    assert "Verschwendung, Sicherheit 87 %" in german
    assert "Unterschied in der Nacht" in german


def test_the_cause_of_an_anomaly_is_labelled_on_its_page(acted: Asking) -> None:
    event = unusual_night(acted)
    ledger = AnomalyLedger(acted.project.store)
    assert act(acted, event.event_id, "label", cause="heat", reason="x", seen="") == 400
    assert act(acted, event.event_id, "label", cause="waste", reason=" ", seen="") == 422
    assert ledger.labels("plant") == {}
    assert act(acted, event.event_id, "label", cause="waste", reason="fans ran all <b>night</b>", seen="") == 303
    page = acted.get(f"/findings/{event.event_id}", headers=[PAGE], site="plant").text
    assert "Labelled by Anne as Waste: fans ran all &lt;b&gt;night&lt;/b&gt;" in page
    assert re.search(r'name="seen" value="waste"', page)
    # Who did not see the label that stands does not replace it.
    assert act(acted, event.event_id, "label", cause="weather", reason="cold", seen="") == 422
    assert act(acted, event.event_id, "label", cause="weather", reason="cold", seen="waste") == 303
    assert ledger.labels("plant")[event.event_id].cause == "weather"
    vera = Asking(acted.project, acted.clock, VERA)
    assert act(vera, event.event_id, "label", cause="waste", reason="x", seen="weather") == 403
    assert 'id="form-label"' not in vera.get(f"/findings/{event.event_id}", headers=[PAGE], site="plant").text
    other = next(each["finding_id"] for each in listed(acted) if each["finding_id"] != event.event_id)
    assert act(acted, other, "label", cause="waste", reason="x", seen="") == 400
