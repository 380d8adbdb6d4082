"""Everything bad that somebody may send, do or break, and the test that shows what comes of it: the list is whole."""

import asyncio
import csv
import io
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.warehouse.marts import mart_path
from data_quality.contracts.people import Person, Role
from tests.web.asking import HOST, PAGE, Answer, Browser, send
from tests.web.served import Served
from tests.web.why_world import Asking, posted, tenant

ROOT = Path(__file__).resolve().parents[2]
BODIES, SIGN_IN, PUSH = (
    "tests/web/test_bodies.py",
    "tests/web/test_signing_in.py",
    "tests/controls/collector/test_receive.py",
)
HERE, ENERGY, MATRIX = "tests/web/test_bad_input.py", "tests/web/test_energy_page.py", "tests/web/test_matrix.py"
BODY, QUERY, ADDRESS = (
    f"{BODIES}::{name}"
    for name in (
        "test_a_bad_body_is_refused_in_one_sentence",
        "test_a_query_that_cannot_be_read_is_a_bad_request",
        "test_an_address_that_means_something_else_is_nothing",
    )
)
ACTS, HANDS = "tests/web/test_device_acts.py", "tests/web/test_hand_acts.py"
UPLOAD, PEOPLE = "tests/web/test_reading_upload.py", "tests/web/test_people_added.py"
MEANT, ROWS = (
    f"{HERE}::test_a_question_that_means_nothing_is_told_so",
    f"{PUSH}::test_every_row_is_accepted_or_refused_with_its_reason",
)
NAMED = (
    "tests/web/test_draw.py::test_words_stay_words_in_every_block",
    "tests/web_browser/test_pages.py::test_a_page_is_quiet_own_and_readable_at_both_sizes_in_light_and_dark",
)
# What it is: the tests that show what comes of it. A row without a test, or a test that is gone, fails below.
TABLE: dict[str, tuple[str, ...]] = {
    "query: unknown site": (f"{MATRIX}::test_a_site_of_others_is_as_if_it_were_not_there", MEANT),
    "query: unknown scope": (f"{ENERGY}::test_an_unknown_scope_is_404_and_says_what_may_be_meant",),
    "query: unknown KPI": (f"{HERE}::test_a_misspelt_kpi_is_told_what_may_be_meant",),
    "query: 2025-13": (MEANT,),
    "query: end before start": (MEANT,),
    "query: 200 years": (MEANT,),
    "query: no day": (MEANT,),
    "query: an ambiguous instant without offset": (QUERY, MEANT),
    "query: as of the future": (MEANT,),
    "query: a million points": ("tests/web/test_reading_api.py::test_a_series_too_long_names_the_grain_that_is_not",),
    "query: doubled, empty, over-long, NUL, bidi, mixed scripts": (QUERY, MEANT),
    "address: ../ %2e%2e //host": (ADDRESS,),
    "address: open redirect in next": (f"{SIGN_IN}::test_nobody_is_led_to_another_host",),
    "auth: none, stale": (f"{SIGN_IN}::test_without_a_sign_in_programs_get_401_and_people_the_form",),
    "auth: another person's cookie": (f"{SIGN_IN}::test_an_act_without_the_token_of_the_sign_in_is_refused",),
    "auth: a cookie handed out beforehand": (
        f"{SIGN_IN}::test_who_signs_in_gets_another_cookie_than_the_one_they_brought",
    ),
    "auth: key in the address": (
        f"{SIGN_IN}::test_a_key_in_the_address_is_refused_and_stands_in_no_answer_or_log",
        f"{PUSH}::test_only_a_good_key_opens_and_only_for_its_sites",
    ),
    "auth: expired, revoked, wrong-site key": (
        f"{SIGN_IN}::test_a_key_opens_what_its_owner_may_and_dies_with_its_day",
        f"{SIGN_IN}::test_a_key_is_nothing_without_its_owner_or_after_it_was_revoked",
        f"{SIGN_IN}::test_a_key_never_goes_to_a_site_that_its_owner_does_not_see",
    ),
    "auth: a tenant asks for another's scope, CSV, stream, report, job": (
        f"{MATRIX}::test_a_scope_of_others_is_as_if_it_were_not_there",
        f"{MATRIX}::test_a_role_gets_what_its_permissions_give_and_403_for_the_rest",
        f"{ENERGY}::test_a_tenant_sees_own_parts_and_nothing_of_the_rest",
    ),
    "auth: a tenant asks for another's figure": (
        f"{HERE}::test_anothers_figure_is_as_if_it_were_not_there_also_by_the_clock",
    ),
    "auth: foreign Origin": (f"{SIGN_IN}::test_an_act_from_another_page_is_refused",),
    "auth: foreign Host": (f"{SIGN_IN}::test_another_host_is_refused",),
    "auth: missing token of the form": (f"{SIGN_IN}::test_an_act_without_the_token_of_the_sign_in_is_refused",),
    "auth: method override": (f"{SIGN_IN}::test_a_method_in_a_header_is_refused",),
    "auth: TRACE": (f"{SIGN_IN}::test_other_methods_are_refused",),
    "auth: cookie beside key": (f"{SIGN_IN}::test_a_cookie_beside_a_key_is_refused",),
    "body: wrong type, trailing bytes, 17 MiB, a million levels, doubled keys, NaN, 1e309, 1,5": (BODY,),
    "body: kW where energy is due, start without offset, future reading": (ROWS,),
    "body: half of it": (
        f"{BODIES}::test_half_a_body_is_nothing",
        f"{PUSH}::test_what_is_cut_or_packed_or_of_another_kind_does_not_land",
    ),
    "body: zip bomb": (
        f"{BODIES}::test_a_packed_body_is_refused",
        "tests/readings/test_espi_faults.py::test_fault_f11_",
    ),
    "body: PDF with script": ("tests/readings/test_faults_child.py::test_fault_f28_",),
    "body: XML entities": (BODY, "tests/readings/test_espi_faults.py::test_fault_f12_"),
    "body: formula cells, exported": (
        f"{ENERGY}::test_no_cell_of_a_csv_is_a_formula",
        f"{HERE}::test_no_export_of_a_hostile_name_begins_a_formula",
        "tests/reports/test_faults_export.py::test_fault_f15_no_name_becomes_a_formula",
    ),
    "names: script, quotes, marks of direction, 300 letters": NAMED,
    "act: a form of before a change": (f"{ACTS}::test_a_form_of_before_a_change_is_refused_with_the_way_on",),
    "act: a double click": (
        f"{ACTS}::test_two_clicks_take_a_device_once_and_are_answered_alike",
        f"{ACTS}::test_two_clicks_at_one_moment_act_once",
    ),
    "act: the second person is gone": (
        f"{ACTS}::test_a_second_person_who_was_removed_approves_nothing",
        f"{ACTS}::test_who_is_alone_is_told_how_to_get_a_second_person",
    ),
    "act: an override that has expired": (
        f"{HANDS}::test_a_form_sent_after_its_end_has_passed_sets_and_pauses_nothing",
        f"{HANDS}::test_an_override_that_ended_by_itself_is_not_given_back_again",
    ),
    "act: a device that does not answer": (
        "tests/web/test_charge_now.py::"
        "test_an_act_on_a_device_that_does_not_answer_is_not_proven_and_is_sent_no_second_time",
    ),
    "act: a key that was revoked": (
        "tests/web/test_signed_acts.py::test_a_key_that_was_taken_away_meanwhile_signs_nothing",
    ),
    "act: a wrong file, or 20 GB": (
        f"{UPLOAD}::test_what_is_no_meter_file_is_rejected_in_one_sentence_with_nothing_to_accept",
        f"{UPLOAD}::test_files_are_refused_by_their_length_before_a_byte_of_them_is_read",
    ),
    "act: a person added with a taken id, an unknown role or site, twice": (
        f"{PEOPLE}::test_a_faulty_form_of_a_new_person_is_one_sentence_and_changes_nothing",
        f"{PEOPLE}::test_a_form_without_its_tag_and_one_that_is_sent_twice_add_nobody_twice",
        f"{PEOPLE}::test_an_id_that_was_somebodys_is_nobody_elses",
    ),
    "act: people of other sites placed or let go, the last admin": (
        f"{PEOPLE}::test_an_admin_of_some_sites_adds_and_places_people_there_alone",
        f"{PEOPLE}::test_nobody_withdraws_themselves_and_the_last_admin_of_all_sites_stays",
    ),
    "act: two people edit one site file": (
        "tests/web/test_site_file_page.py::test_of_two_editors_the_later_is_told_and_neither_text_is_lost",
    ),
    "race: two approvals": ("tests/controls/ledger/test_two_people.py::test_fault_f79_",),
    "race: publish during a correction": ("tests/reports/publish/test_together.py::test_nobody_else_sees_half_of_it",),
    "race: site file changed under a form": ("tests/web/test_seed0.py::test_one_use_more_keeps_every_comment",),
    "race: marts republished between page and CSV": (
        f"{ENERGY}::test_answers_are_tagged_and_a_known_one_is_not_sent_again",
    ),
    "race: key revoked in the middle of a stream": (
        "tests/web/test_live_streams.py::test_a_key_that_is_revoked_ends_its_stream",
    ),
    "gone: store locked for six seconds": (f"{HERE}::test_a_store_that_is_locked_for_six_seconds_lets_people_read",),
    "gone: disk full on push": (f"{PUSH}::test_on_a_full_disk_nothing_is_acknowledged",),
    "gone: broker silent": ("tests/web/test_live_feed.py::test_a_value_that_grows_old_says_so_twice",),
    "gone: marts half there": (f"{HERE}::test_marts_that_are_half_there_are_said_and_no_bug",),
    "gone: people.yaml broken, or not there": (
        f"{SIGN_IN}::test_with_a_broken_people_file_people_read_and_sign_in_and_nobody_writes",
        "tests/web/test_serving.py::test_without_people_the_pages_start_and_say_so_until_the_file_is_there",
    ),
    "clock stepped back": (f"{SIGN_IN}::test_a_clock_that_is_set_back_makes_no_sign_in_longer",),
}


@pytest.mark.parametrize("what", TABLE)
def test_everything_bad_has_its_test(what: str) -> None:
    for name in TABLE[what]:
        path, _, test = name.partition("::")
        assert f"def {test}" in (ROOT / path).read_text(), name


WORKER = Person(person_id="worker", name="Worker", roles=(Role.VIEWER,), sites=("works",))
MEANINGLESS = {
    "period=2025-13": 400,
    "period=2026-03-10/2026-03-01": 400,
    "period=2026-03-10/2026-03-10": 400,
    "period=1900/2100": 400,
    "as_of=2026-10-25T02:30:00": 400,
    "as_of=2026-03-29T02:30:00%2B01:00:00Z": 400,
    "as_of=2099-01-01T00:00:00Z": 400,
    "as_of=9999-12-31T23:59:59Z": 400,
    "as_of=0001-01-01T00:00:00Z": 400,
    "site=works&site=works": 400,
    "site=": 200,
    "site=nowhere": 404,
    "site=%d0%b0": 404,
    "site=%ef%bd%97orks": 404,
    "site=w%00": 400,
    "scope=%e2%80%ae": 400,
    f"scope={'a' * 201}": 400,
}


@pytest.mark.parametrize("query", MEANINGLESS)
def test_a_question_that_means_nothing_is_told_so(shared: Served, query: str) -> None:
    shared.ticks.now_s += 900
    browser = shared.browser("worker")
    found = browser.ask(f"/energy?{query}")
    page = browser.ask(f"/energy?{query}", headers=[PAGE])
    assert (found.status, page.status) == (MEANINGLESS[query],) * 2, found.text
    if found.status != 200:
        assert len(found.said["detail"]) > 10
        assert "Traceback" not in page.text


def test_a_misspelt_kpi_is_told_what_may_be_meant(seen: Asking) -> None:
    found = seen.get(
        "/why", [("accept", "*/*")], site="plant", scope="site:plant", period="2025-03", kpi="consumption_kw"
    )
    assert found.status in (404, 422), found.text
    assert "did you mean consumption_kwh?" in found.text


def test_anothers_figure_is_as_if_it_were_not_there_also_by_the_clock(acted: Asking) -> None:
    query = {"site": "plant", "scope": "site:plant", "kpi": "consumption_kwh", "period": "2025-03"}
    kept = posted(acted, "/why/keep", form=query)
    assert kept.status == 303, kept.text
    figure = kept.headers["location"].removeprefix("/why?figure=")
    theo, strange = tenant(acted), "0" * len(figure)

    asked_of_stores: list[str] = []

    def answered(figure_id: str) -> tuple[Answer, list[str]]:
        asked_of_stores.clear()
        return theo.get(f"/api/v1/ems/figures/{figure_id}"), list(asked_of_stores)

    answered(strange)
    note = _noting(asked_of_stores)
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    (there, of_there), (nowhere, of_nowhere) = answered(figure), answered(strange)
    sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert there.status == nowhere.status == 404
    assert there.text.replace(figure, "…") == nowhere.text.replace(strange, "…")
    # As many questions to the store, so that time does not tell either.
    assert of_there == of_nowhere


def _noting(statements: list[str]) -> Callable[..., None]:
    return lambda _connection, _cursor, statement, *_: statements.append(statement)


def test_no_export_of_a_hostile_name_begins_a_formula(seen: Asking) -> None:
    for path in ("/energy.csv", "/api/v1/ems/kpis", "/api/v1/ems/scopes", "/api/v1/ems/sites", "/api/v1/ems/series"):
        more = {"range": "2025-03"} if path.endswith(("kpis", "series")) else {}
        found = seen.get(path, [("accept", "text/csv")], site="plant", **more)
        assert found.status == 200, path
        cells = [cell for line in csv.reader(io.StringIO(found.text)) for cell in line]
        assert [cell for cell in cells if cell[:1] in tuple("=+@\t\r")] == []
        numbers = [cell for cell in cells if cell.startswith("-")]
        assert all(float(cell) < 0 for cell in numbers)


def test_marts_that_are_half_there_are_said_and_no_bug(acted: Asking) -> None:
    marts = acted.project.project.marts_dir
    names = ("mart_scope__day_kpi", "mart_site__day_projection", "mart_seu__kpi_values", "mart_site__kpi_values")
    paths = (
        "/board/ops",
        "/board/exec",
        "/board/site",
        "/energy",
        "/enpi",
        "/reports",
        "/api/v1/ems/running?site=plant",
    )
    kept = marts.with_name("kept")
    shutil.copytree(marts, kept)
    for name in names:
        for harm in ("gone", "empty", "half a file"):
            folder = mart_path(marts, name)
            if harm == "gone":
                shutil.rmtree(folder)
            for path in sorted(folder.rglob("*.parquet")) if harm != "gone" else ():
                path.unlink() if harm == "empty" else path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            for path in paths:
                found = acted.get(path, [PAGE])
                assert found.status in (200, 404, 409, 422, 503), (
                    f"{name} {harm} {path}: {found.status} {found.text[-400:]}"
                )
            shutil.rmtree(marts)
            shutil.copytree(kept, marts)
    assert acted.get("/board/ops", [PAGE]).status == 200


def test_a_store_that_is_locked_for_six_seconds_lets_people_read(served: Served) -> None:
    browser = served.browser("viewer")
    token = browser.token("/profile")
    lock = sqlite3.connect(served.project.project.store_url.removeprefix("sqlite:///"), isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    start_s = time.monotonic()

    async def both() -> tuple[Answer, Answer, float]:
        act = asyncio.create_task(acting(browser, token))
        await asyncio.sleep(0.3)
        page = await send(served.app, "GET", "/profile", [("cookie", browser.cookie), PAGE])
        read_s = time.monotonic() - start_s
        while time.monotonic() - start_s < 6:
            await asyncio.sleep(0.1)
        lock.execute("ROLLBACK")
        return page, await act, read_s

    try:
        page, act, read_s = asyncio.run(both())
    finally:
        lock.close()
    assert (page.status, read_s < 3) == (200, True)
    # It waited five seconds and gave up; nothing of it stands, and a second try does it.
    assert (act.status, act.headers["retry-after"], act.said["code"]) == (503, "5", "unreachable")
    assert browser.act("/profile/board", csrf=token, home_board="site").status == 303


async def acting(browser: Browser, token: str) -> Answer:
    headers = [("cookie", browser.cookie), ("origin", f"http://{HOST}"), ("x-csrf", token), ("accept", "*/*")]
    headers += [("content-type", "application/x-www-form-urlencoded")]
    return await send(browser.app, "POST", "/profile/board", headers, b"home_board=ops")
