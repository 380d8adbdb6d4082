"""A version of a baseline in the browser: what its approver sees, who may approve, and with which signature."""

import html
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from assets.stores.published.publications import PublicationStore
from assets.stores.sign import is_signed
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.queries import stamp_of_uses
from orchestration.web.request_context import Context
from reports.pages.address import Address
from tests.reports.publish.conftest import MakeDesk, desk
from tests.web.asking import PAGE, Answer
from tests.web.marts_world import THEO, Asking
from tests.web.test_report_pages import LATER, as_of
from tests.web.test_signed_acts import code, signed, text_of
from tests.web.why_world import posted

__all__ = ["desk"]


@pytest.fixture
def keyed(desk: MakeDesk) -> Iterator[Asking]:
    project = OpenProject(str(desk().folder))
    yield Asking(project, FixedClock(LATER), project.people.known("anna"))
    project.close()


@pytest.fixture
def keyless(desk: MakeDesk) -> Iterator[Asking]:
    used = desk()
    used.people(keys=False)
    project = OpenProject(str(used.folder))
    yield Asking(project, FixedClock(LATER), project.people.known("anna"))
    project.close()


def refitted(asking: Asking, by: str = "ben", *findings: Finding) -> BaselineVersion:
    """One more version of the first use's baseline, which nobody approved yet."""
    before = asking.project.baselines.versions("plant")[0]
    fit = before.baseline.model_copy(update={"findings": findings})
    return asking.project.baselines.add(fit, "run", "f" * 64, by, asking.clock)


def stamp(asking: Asking) -> str:
    """Stamp under which the tiles about energy uses are kept."""
    ctx = Context(asking.project, asking.person, Address(path="/board/exec"), asking.clock)
    return stamp_of_uses(ctx, asking.project.sites.values())


def place(version: BaselineVersion) -> str:
    return f"/baselines/plant/{version.baseline.seu_id}"


def page(asking: Asking, shown: BaselineVersion, **query: str) -> str:
    answer = asking.get(place(shown), [PAGE], **query)
    assert answer.status == 200, answer.text
    return html.unescape(answer.text)


def approve(asking: Asking, version: BaselineVersion, **form: str) -> Answer:
    given = {"version": str(version.version), "reason": "residuals looked at", **form}
    return posted(asking, place(version) + "/approve", form=given)


def status(asking: Asking, version: BaselineVersion) -> BaselineStatus:
    return asking.project.baselines.get(version.baseline_id, version.version).status


def test_another_person_approves_once_and_the_version_before_is_superseded(keyless: Asking) -> None:
    version = refitted(keyless)
    shown = page(keyless, version)
    assert "Approve version 2" in shown
    assert "Version 1" in shown
    site = keyless.project.site("plant")
    model = re.search(r"E = [^<]+ kWh/day", shown)
    assert model is not None
    drivers = [each.name for each in version.baseline.coefficients if each.name != "intercept"]
    assert drivers
    assert all(site.stream_name(each) in model[0] for each in drivers)
    answer = approve(keyless, version)
    assert (answer.status, answer.headers["location"]) == (303, f"{place(version)}?version=2")
    assert approve(keyless, version).status == 303
    assert status(keyless, version) is BaselineStatus.APPROVED
    assert "Approved by Anna" in page(keyless, version)
    assert "superseded" in page(keyless, version, version="1")


def test_the_results_show_an_approval_at_once(keyless: Asking) -> None:
    version = refitted(keyless)
    stamps = [stamp(keyless)]
    assert [stamp(keyless), keyless.get("/board/exec", [PAGE]).status] == [*stamps, 200]
    assert approve(keyless, version).status == 303
    assert stamp(keyless) not in stamps


def test_own_work_is_offered_no_approval_and_refused(keyless: Asking) -> None:
    version = refitted(keyless, "anna")
    shown = page(keyless, version)
    assert "You fitted this baseline, and do not approve your own work. Nobody else has the role approver." in shown
    assert "/approve" not in shown
    assert code(approve(keyless, version)) == (403, "own_work")


def test_who_has_not_the_role_is_told_who_has_and_a_tenant_is_told_nothing(keyless: Asking) -> None:
    version, ben = refitted(keyless), as_of(keyless, "dirk")
    assert "needs the role approver. It can be done by Anna." in page(ben, version)
    assert code(approve(ben, version)) == (403, "missing_role")
    theo = Asking(keyless.project, keyless.clock, THEO)
    assert theo.get(place(version), [PAGE]).status == 403
    assert keyless.get("/baselines/plant/nothing", [PAGE]).status == 404
    assert keyless.get("/baselines/nowhere/hvac", [PAGE]).status == 404
    assert keyless.get(place(version), [PAGE], version="9").status == 404
    assert code(approve(keyless, version, reason=" ")) == (422, "no_reason")
    assert status(keyless, version) is BaselineStatus.PROVISIONAL


def test_a_blocking_finding_needs_its_own_reason(keyless: Asking) -> None:
    version = refitted(keyless, "ben", Finding(code="too_few_days", message="Only 20 days.", severity="blocking"))
    assert 'name="waive-too_few_days"' in page(keyless, version)
    assert code(approve(keyless, version))[1] == "blocking_findings"
    assert approve(keyless, version, **{"waive-too_few_days": "a new hall"}).status == 303
    assert keyless.project.baselines.waivers(version.baseline_id, 2) == {"too_few_days": "a new hall"}


def test_where_people_have_keys_the_approval_is_signed_in_the_browser(keyed: Asking) -> None:
    version = refitted(keyed)
    assert f'data-public-key="{keyed.person.public_key}"' in page(keyed, version)
    assert code(approve(keyed, version)) == (409, "no_key_here")
    form = {"version": "2", "reason": "residuals looked at"}
    told = text_of(keyed, place(version) + "/approve", form)
    assert status(keyed, version) is BaselineStatus.PROVISIONAL
    assert approve(keyed, version, **signed(keyed, told, by="dirk")).status == 403
    told = text_of(keyed, place(version) + "/approve", form)
    assert approve(keyed, version, **signed(keyed, told)).status == 303
    [kept] = PublicationStore(keyed.project.store).signatures(f"{version.baseline_id}@2")
    assert is_signed(kept)
    assert status(keyed, version) is BaselineStatus.APPROVED


def reject(asking: Asking, version: BaselineVersion, **form: str) -> Answer:
    given = {"version": str(version.version), "reason": "no autumn in it", **form}
    return posted(asking, place(version) + "/reject", form=given)


def test_a_rejected_version_leads_nothing_and_only_a_new_one_can_be_approved(keyless: Asking) -> None:
    version, store = refitted(keyless), keyless.project.baselines
    assert "Reject version 2" in page(keyless, version)
    assert code(reject(keyless, version, reason=" ")) == (422, "no_reason")
    assert [reject(keyless, version).status for _ in range(2)] == [303, 303]
    assert status(keyless, version) is BaselineStatus.REJECTED
    shown = page(keyless, version)
    assert "Rejected by Anna" in shown
    assert "no autumn in it. Only a new version can be approved." in shown
    assert "/approve" not in shown
    assert code(approve(keyless, version)) == (409, "already_rejected")
    assert store.in_force("plant")[version.baseline.seu_id].version == 1
    assert not store.get(version.baseline_id, 2).status.has_approval
    with pytest.raises(BadInput, match="is rejected already"):
        store.approve(version.baseline_id, 2, keyless.person, "x", {}, keyless.clock)
    assert code(reject(keyless, store.get(version.baseline_id, 1))) == (409, "already_approved")
    fit = version.baseline
    third = store.add(fit, "run", "e" * 64, "ben", keyless.clock)
    assert (third.version, approve(keyless, third).status) == (3, 303)
    assert store.in_force("plant")[fit.seu_id].version == 3
    auditor = as_of(keyless, "anna")
    trail = auditor.get("/audit", [PAGE], site="plant", kind="baselines")
    assert trail.status != 200 or "rejected baseline v2" in trail.text


def test_own_work_is_not_rejected_by_oneself_nor_by_who_has_not_the_role(keyless: Asking) -> None:
    version = refitted(keyless, "anna")
    assert "/reject" not in page(keyless, version)
    assert code(reject(keyless, version)) == (403, "own_work")
    other = keyless.project.baselines.add(version.baseline, "run", "e" * 64, "ben", keyless.clock)
    assert code(reject(as_of(keyless, "dirk"), other)) == (403, "missing_role")


def test_a_use_whose_only_version_is_rejected_has_none_in_force(keyless: Asking) -> None:
    store = keyless.project.baselines
    before = store.versions("plant")[0].baseline
    fit = before.model_copy(update={"site_id": "elsewhere"})
    only = store.add(fit, "run", "a" * 64, "ben", keyless.clock)
    assert store.in_force("elsewhere")[fit.seu_id].version == 1
    early = keyless.clock.now_utc()
    store.reject(only.baseline_id, 1, keyless.person, "no autumn", FixedClock(early + timedelta(days=1)))
    assert store.in_force("elsewhere") == {}
    as_it_was = store.in_force("elsewhere", as_of_utc=early + timedelta(hours=1))
    assert as_it_was[fit.seu_id].status is BaselineStatus.PROVISIONAL
    store.add(fit, "run", "b" * 64, "ben", FixedClock(early + timedelta(days=2)))
    assert store.in_force("elsewhere")[fit.seu_id].version == 2


def test_a_rejection_is_signed_where_people_have_keys_and_counts_only_then(keyed: Asking) -> None:
    version = refitted(keyed)
    assert code(reject(keyed, version)) == (409, "no_key_here")
    told = text_of(keyed, place(version) + "/reject", {"version": "2", "reason": "no autumn in it"})
    assert status(keyed, version) is BaselineStatus.PROVISIONAL
    assert reject(keyed, version, **signed(keyed, told)).status == 303
    assert status(keyed, version) is BaselineStatus.REJECTED
    store = keyed.project.baselines
    unsigned = store.add(version.baseline, "run", "e" * 64, "ben", keyed.clock)
    found = store.reject(unsigned.baseline_id, unsigned.version, keyed.person, "x", keyed.clock)
    assert found.status is BaselineStatus.PROVISIONAL, "nobody signed it"
    assert any(each.code == "approval_not_proven" and each.is_blocking for each in found.baseline.findings)
