"""Signing in and out, sign-ins that end, and everything that somebody may try with a cookie, a link or a key."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from assets.stores.api_keys import ApiKeyStore
from assets.stores.audit import bad_rows
from assets.stores.trust import UNSEALED
from assets.stores.web.audit_events import newest_events
from assets.stores.web.logins import sha256
from data_quality.contracts.access.permissions import Permission
from orchestration.web.app import make_app
from orchestration.web.pages.sign_in_pages import safe_next
from orchestration.web.people.sign_in import SignIn
from tests.web.asking import HOST, PAGE, Browser, send
from tests.web.served import PASSWORD, Served, people_text

DOCS = "/api/openapi.json"


def test_an_invitation_sets_a_password_and_signs_in(served: Served) -> None:
    browser = served.browser()
    served.invite("viewer", browser)
    assert browser.ask(DOCS).status == 200
    assert browser.cookie.startswith("meterloom=")


def test_the_cookie_is_for_this_server_alone(served: Served) -> None:
    browser = served.browser("viewer")
    answer = browser.act("/login", person="viewer", password=PASSWORD)
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= set(answer.cookies[0].split("; "))
    secure = SignIn(served.project, served.clock, is_https=True, monotonic=served.ticks)
    app = make_app(served.project, clock=served.clock, sign_in=secure)
    cookie = Browser(app).act("/login", person="viewer", password=PASSWORD).cookies[0]
    assert cookie.startswith("__Host-meterloom=")
    assert "; Secure" in cookie


def test_a_sign_in_is_answered_alike_for_a_wrong_password_and_for_nobody(served: Served) -> None:
    browser = served.browser("viewer")
    wrong = browser.act("/login", person="viewer", password="something else")
    nobody = browser.act("/login", person="nobody", password="something else")
    assert (wrong.status, nobody.status) == (401, 401)
    assert wrong.body == nobody.body
    assert not wrong.cookies


@pytest.mark.usefixtures("passwords_as_kept")
def test_a_password_is_kept_as_argon2id_and_a_cookie_as_its_hash(served: Served) -> None:
    browser = served.browser("viewer")
    text = "".join(str(row) for table in ("credentials", "logins") for row in rows_of(served, table))
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in text
    assert PASSWORD not in text
    assert browser.cookie.partition("=")[2] not in text


def rows_of(served: Served, table: str) -> list[tuple[object, ...]]:
    with served.project.store.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]


@pytest.mark.parametrize("password", ["short", "viewer viewer viewer", "aaaaaaaaaaaaaaaa", "x" * 300, "a\nb" * 10])
def test_a_password_that_anybody_guesses_is_refused_and_the_invitation_holds(served: Served, password: str) -> None:
    browser = served.browser()
    token = served.sign_in.credentials.invite("viewer", served.clock)
    assert browser.act(f"/invitation/{token}", password=password, again=password).status == 422
    assert browser.act(f"/invitation/{token}", password=PASSWORD, again=PASSWORD).status == 303


def test_an_invitation_is_good_once_for_a_quarter_hour_and_until_the_next(served: Served) -> None:
    browser, invite = served.browser(), served.sign_in.credentials.invite
    first, second = invite("viewer", served.clock), invite("viewer", served.clock)
    assert browser.ask(f"/invitation/{first}").status == 404
    served.clock.advance(timedelta(minutes=14))
    assert browser.ask(f"/invitation/{second}").status == 200
    assert browser.act(f"/invitation/{second}", password=PASSWORD, again=PASSWORD).status == 303
    assert browser.act(f"/invitation/{second}", password=PASSWORD, again=PASSWORD).status == 404
    late = invite("analyst", served.clock)
    served.clock.advance(timedelta(minutes=15))
    assert browser.ask(f"/invitation/{late}").status == 404
    assert browser.ask("/invitation/guessed").status == 404


def test_a_new_password_ends_the_other_sign_ins(served: Served) -> None:
    old, browser = served.browser("viewer"), served.browser()
    served.invite("viewer", browser)
    assert (old.ask(DOCS).status, browser.ask(DOCS).status) == (401, 200)


def test_sign_ins_end_after_twelve_idle_hours_and_seven_days(served: Served) -> None:
    idle, busy = served.browser("viewer"), served.browser("viewer")
    for _ in range(14):
        served.clock.advance(timedelta(hours=11, minutes=59))
        served.ticks.now_s += 11.98 * 3600
        assert busy.ask(DOCS).status == 200
    assert idle.ask(DOCS).status == 401
    served.clock.advance(timedelta(hours=2))
    served.ticks.now_s += 7200
    assert busy.ask(DOCS).status == 401


def test_a_clock_that_is_set_back_makes_no_sign_in_longer(served: Served) -> None:
    browser = served.browser("viewer")
    served.clock.advance(timedelta(days=-3))
    served.ticks.now_s += 12 * 3600
    assert browser.ask(DOCS).status == 401
    again = SignIn(served.project, served.clock, monotonic=served.ticks)
    browser.app = make_app(served.project, clock=served.clock, sign_in=again)
    assert browser.ask(DOCS).status == 401


def _sql(served: Served, statement: str, **values: str) -> None:
    """Write to the store behind the program's back."""
    with served.project.store.begin() as connection:
        assert connection.execute(sa.text(statement), values).rowcount


def test_a_sign_in_that_was_written_into_the_store_signs_nobody_in(served: Served) -> None:
    browser, other = served.browser("viewer"), served.browser("analyst")
    real = rows_of(served, "logins")[0]
    token = "a token that nobody was given"
    names = ("token", "person", "rights", "opened", "seen")
    _sql(
        served, "INSERT INTO logins VALUES (:token, :person, :rights, :opened, :seen, NULL)",
        **dict(zip(names, map(str, (sha256(token), *real[1:5])), strict=True)),
    )  # fmt: skip
    forged = Browser(served.app)
    forged.cookie = f"meterloom={token}"
    assert (forged.ask(DOCS).status, browser.ask(DOCS).status) == (401, 200)
    assert [str(each) for each in bad_rows(served.project.store)] == [f"logins {sha256(token)}: {UNSEALED}"]
    _sql(served, "UPDATE logins SET person_id = 'viewer', rights_sha256 = :rights WHERE person_id = 'analyst'",
         rights=str(real[2]))  # fmt: skip
    assert (other.ask(DOCS).status, browser.ask(DOCS).status) == (401, 200)


def test_a_sign_in_that_has_ended_stays_ended_whatever_becomes_of_its_row(served: Served) -> None:
    browser = served.browser("viewer")
    served.sign_in.logins.end(served.clock.now_utc(), person_id="viewer")
    _sql(served, "DELETE FROM login_ends")
    assert browser.ask(DOCS).status == 401
    assert {each.table for each in bad_rows(served.project.store)} == {"login_ends"}


def test_sign_ins_of_90_days_ago_are_erased_and_every_row_is_as_it_was_written(served: Served) -> None:
    served.browser("viewer")
    served.clock.advance(timedelta(hours=1))
    opened = served.sign_in.logins.of_person("viewer")
    served.sign_in.logins.seen({each.token_sha256: served.clock.now_utc() for each in opened})
    served.sign_in.logins.end(served.clock.now_utc(), person_id="viewer")
    assert all(rows_of(served, table) for table in ("logins", "login_ends", "login_uses"))
    served.clock.advance(timedelta(days=91))
    served.browser("analyst")
    kept = {row[0]: row[1] for row in rows_of(served, "logins")}
    assert set(kept.values()) == {"analyst"}
    assert {row[0] for table in ("login_ends", "login_uses") for row in rows_of(served, table)} <= set(kept)
    assert bad_rows(served.project.store) == []


def test_a_sign_in_outlives_the_process_and_keeps_when_it_was_used(served: Served) -> None:
    browser = served.browser("viewer")
    served.clock.advance(timedelta(hours=11))
    assert browser.ask(DOCS).status == 200
    served.sign_in.rest()
    assert len(rows_of(served, "login_uses")) == 1
    served.clock.advance(timedelta(hours=11))
    browser.app = make_app(served.project, clock=served.clock, sign_in=SignIn(served.project, served.clock))
    assert browser.ask(DOCS).status == 200


def test_who_signs_in_gets_another_cookie_than_the_one_they_brought(served: Served) -> None:
    browser = served.browser("viewer")
    browser.cookie = "meterloom=planted-by-somebody"
    browser.act("/login", person="viewer", password=PASSWORD)
    first = browser.cookie
    assert "planted" not in first
    browser.act("/login", person="viewer", password=PASSWORD)
    assert browser.cookie != first
    browser.cookie = first
    assert browser.ask(DOCS).status == 401


def test_signing_out_ends_the_sign_in_itself(served: Served) -> None:
    browser = served.browser("viewer")
    kept, token = browser.cookie, browser.token("/api/docs")
    assert browser.act("/logout", csrf=token).status == 303
    assert browser.cookie == ""
    browser.cookie = kept
    assert browser.ask(DOCS).status == 401


@pytest.mark.parametrize("change", [("[viewer]", "[analyst]"), ("viewer, name: Viewer", "gone, name: Viewer")])
def test_who_changes_roles_or_is_gone_is_out_at_the_next_request(served: Served, change: tuple[str, str]) -> None:
    browser = served.browser("viewer")
    assert browser.ask(DOCS).status == 200
    (served.folder / "people.yaml").write_text(people_text().replace(*change))
    assert browser.ask(DOCS).status == 401


def test_with_a_broken_people_file_people_read_and_sign_in_and_nobody_writes(served: Served) -> None:
    browser = served.browser("viewer")
    token = browser.token("/api/docs")
    (served.folder / "people.yaml").write_text("people: [{person_id: viewer, roles: [vie")
    assert browser.ask(DOCS).status == 200
    assert served.browser("viewer").ask(DOCS).status == 200
    refused = browser.act("/logout", [("accept", "application/json")], csrf=token)
    assert (refused.status, refused.said["code"]) == (503, "people_file")
    assert "people file is not in order" in refused.said["detail"]
    (served.folder / "people.yaml").write_text(people_text())
    assert browser.act("/logout", csrf=token).status == 303


@pytest.mark.parametrize("cookie", ["", "meterloom=", "meterloom=x", "meterloom=" + "a" * 5000, "other=1"])
def test_without_a_sign_in_programs_get_401_and_people_the_form(shared: Served, cookie: str) -> None:
    browser = shared.browser()
    browser.cookie = cookie
    refused = browser.ask(DOCS)
    assert (refused.status, refused.said["code"]) == (401, "not_signed_in")
    page = browser.ask("/api/docs?period=2026-03", headers=[PAGE])
    assert (page.status, page.headers["location"]) == (303, "/login?next=%2Fapi%2Fdocs%3Fperiod%3D2026-03")


WRONG_NEXT = [
    "//host",
    "/\\host",
    "https://host",
    "/\thost/",
    "\\\\host",
    "host",
    "/a\nb",
    "javascript:x",
    "",
    "/" * 1001,
]


@pytest.mark.parametrize("text", WRONG_NEXT)
def test_nobody_is_led_to_another_host(text: str) -> None:
    assert safe_next(text) == "/"


def test_after_the_sign_in_one_is_where_one_wanted_to_be(served: Served) -> None:
    browser = served.browser("viewer")
    answer = browser.act("/login", person="viewer", password=PASSWORD, next="/energy?site=works&period=2026-03")
    assert answer.headers["location"] == "/energy?site=works&period=2026-03"
    assert browser.act("/login", person="viewer", password=PASSWORD, next="//host").headers["location"] == "/"


@pytest.mark.parametrize(
    "headers",
    [
        [("origin", "http://evil.example")],
        [("origin", "null")],
        [("origin", "null"), ("sec-fetch-site", "cross-site")],
        [("origin", f"https://{HOST}")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site"), ("origin", f"http://{HOST}")],
    ],
    ids=str,
)
def test_an_act_from_another_page_is_refused(served: Served, headers: list[tuple[str, str]]) -> None:
    browser = served.browser("viewer")
    token = browser.token("/api/docs")
    refused = browser.act("/logout", [*headers, ("accept", "*/*")], csrf=token)
    assert (refused.status, refused.said["code"]) == (403, "foreign_origin")
    assert browser.ask(DOCS).status == 200


def test_a_browser_that_hides_the_origin_as_it_is_told_may_act(served: Served) -> None:
    """Referrer-Policy no-referrer makes a browser send `Origin: null` with a form of our own page."""
    browser = served.browser("viewer")
    hidden = [("origin", "null"), ("sec-fetch-site", "same-origin")]
    assert browser.act("/logout", hidden, csrf=browser.token("/api/docs")).status == 303


def test_an_act_that_says_not_where_it_comes_from_is_refused(served: Served) -> None:
    browser = served.browser("viewer")
    assert browser.ask("/logout", "POST").status == 403


@pytest.mark.parametrize("token", ["", "x", "é", "0" * 64])
def test_an_act_without_the_token_of_the_sign_in_is_refused(served: Served, token: str) -> None:
    browser, other = served.browser("viewer"), served.browser("analyst")
    for each in (token, other.token("/api/docs")):
        refused = browser.act("/logout", [("accept", "*/*")], csrf=each)
        assert (refused.status, refused.said["code"]) == (403, "foreign_form")
    header = browser.act("/logout", [("x-csrf", browser.token("/api/docs"))])
    assert header.status == 303


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:8601", "", "127.0.0.1:8600.evil.example"])
def test_another_host_is_refused(shared: Served, host: str) -> None:
    assert shared.browser().ask("/login", headers=[("host", host)]).status == 421
    assert shared.browser().ask("/login", headers=[("host", "LOCALHOST:8600")]).status == 200


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "CONNECT", "PROPFIND", "get", ""])
def test_other_methods_are_refused(shared: Served, method: str) -> None:
    assert shared.browser().ask("/login", method).status == 405


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_method_in_a_header_is_refused(served: Served, name: str) -> None:
    assert served.browser("viewer").ask("/logout", headers=[(name, "POST")]).status == 405


def key_of(
    served: Served, person_id: str, *scopes: Permission, sites: tuple[str, ...] = ("works",), days: int = 9
) -> str:
    return ApiKeyStore(served.project.store).issue(
        person_id, name="robot", sites=sites, scopes=scopes or (Permission.READ,), days=days, clock=served.clock
    )[1]


def test_a_key_opens_what_its_owner_may_and_dies_with_its_day(served: Served) -> None:
    bearer = [("authorization", f"Bearer {key_of(served, 'viewer')}")]
    browser = served.browser()
    good = browser.ask(DOCS, headers=bearer)
    assert good.status == 200
    assert good.headers["ratelimit"] == '"requests-of-a-key";r=59;t=0'
    served.clock.advance(timedelta(days=9))
    assert browser.ask(DOCS, headers=bearer).status == 401


@pytest.mark.parametrize("path", ["/logout", "/profile/out", "/profile/board", "/profile/look"])
def test_a_key_ends_nobodys_sign_ins_and_keeps_no_page_of_theirs(served: Served, path: str) -> None:
    person = served.browser("viewer")
    before = {table: rows_of(served, table) for table in ("logins", "preferences")}
    bearer = [("authorization", f"Bearer {key_of(served, 'viewer')}"), ("origin", f"http://{HOST}")]
    bearer += [("content-type", "application/json")]
    answer = served.browser().ask(path, "POST", bearer, b"{}")
    assert (answer.status, answer.cookies) == (403, ())
    assert "people who are signed in" in answer.text
    assert {table: rows_of(served, table) for table in before} == before
    assert person.ask("/profile").status == 200


def test_a_key_is_nothing_without_its_owner_or_after_it_was_revoked(served: Served) -> None:
    text = key_of(served, "viewer")
    bearer, browser = [("authorization", f"Bearer {text}")], served.browser()
    (served.folder / "people.yaml").write_text(people_text().replace("person_id: viewer", "person_id: gone"))
    assert browser.ask(DOCS, headers=bearer).status == 401
    (served.folder / "people.yaml").write_text(people_text() + "\n")
    assert browser.ask(DOCS, headers=bearer).status == 200
    ApiKeyStore(served.project.store).revoke(text.split("_")[1], person_id="viewer", reason="x", clock=served.clock)
    assert browser.ask(DOCS, headers=bearer).status == 401


def test_a_key_never_goes_to_a_site_that_its_owner_does_not_see(served: Served) -> None:
    bearer = [("authorization", f"Bearer {key_of(served, 'worker', sites=('other',))}")]
    assert served.browser().ask(DOCS, headers=bearer).status == 401


@pytest.mark.parametrize("target", ["/api/openapi.json?key={}", "/{}", "/login?next=/x?k={}", "/api/%6dlk_1_2?{}"])
def test_a_key_in_the_address_is_refused_and_stands_in_no_answer_or_log(
    served: Served, target: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = key_of(served, "viewer")
    refused = served.browser().ask(target.format(text))
    assert (refused.status, refused.said["code"]) == (400, "key_in_address")
    assert text not in refused.text
    assert text not in caplog.text


def test_a_cookie_beside_a_key_is_refused(served: Served) -> None:
    browser = served.browser("viewer")
    refused = browser.ask(DOCS, headers=[("authorization", f"Bearer {key_of(served, 'viewer')}")])
    assert (refused.status, refused.said["code"]) == (400, "two_credentials")


def test_a_key_asks_sixty_at_once_and_wrong_ones_twenty(served: Served) -> None:
    good, wrong = [("authorization", f"Bearer {key_of(served, 'viewer')}")], [("authorization", "Bearer mlk_a_b")]
    browser = served.browser()
    assert [browser.ask(DOCS, headers=wrong).status for _ in range(21)] == [401] * 20 + [429]
    found = [browser.ask(DOCS, headers=good) for _ in range(61)]
    assert [each.status for each in found] == [200] * 60 + [429]
    assert found[-1].headers["retry-after"] == "1"
    served.ticks.now_s += 0.06
    assert browser.ask(DOCS, headers=good).status == 200


def test_every_sign_in_and_refusal_stands_in_the_ledger_and_strangers_texts_do_not(served: Served) -> None:
    browser = served.browser("viewer")
    browser.act("/login", person="<script>", password="wrong wrong wrong")
    browser.act("/login", person="viewer", password="wrong wrong wrong")
    browser.act("/logout", csrf="wrong")
    lines = [(row["person_id"], row["route"], row["outcome"]) for row in newest_events(served.project.store, most=5)]
    assert lines == [
        ("viewer", "/logout", "403 foreign_form"),
        ("viewer", "/login", "401 wrong_password"),
        ("", "/login", "401 wrong_password"),
        ("viewer", "/login", "303"),
        ("viewer", "/invitation/{token}", "303"),
    ]
    assert not any(PASSWORD in str(row) or "script" in str(row) for row in rows_of(served, "audit_events"))


def test_the_ledger_of_acts_is_sealed_and_append_only(served: Served) -> None:
    served.browser("viewer")
    with pytest.raises(Exception, match="audit_events is append-only"), served.project.store.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit_events")
    with served.project.store.engine.connect() as connection:
        names = {row[0] for row in connection.exec_driver_sql("SELECT DISTINCT table_name FROM row_seals")}
    assert {"credentials", "audit_events"} <= names


def test_a_password_that_somebody_put_into_the_store_opens_nothing(served: Served) -> None:
    """The trigger can be dropped by who holds the file; the seal is missing all the same."""
    served.browser("viewer")
    with served.project.store.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO credentials (person_id, kind, secret, recorded_at_utc) "
            "SELECT 'admin', kind, secret, recorded_at_utc FROM credentials WHERE kind = 'password'"
        )
    assert served.browser().act("/login", person="admin", password=PASSWORD).status == 503


def test_a_hundred_refusals_a_minute_are_not_a_hundred_lines(served: Served) -> None:
    browser = served.browser("viewer")
    for _ in range(100):
        browser.act("/logout", csrf="wrong")
    assert sum("foreign_form" in row["outcome"] for row in newest_events(served.project.store, most=1000)) == 60


def test_a_sign_in_is_found_by_the_hash_of_its_token(served: Served) -> None:
    browser = served.browser("viewer")
    login = served.sign_in.logins.of_person("viewer")[0]
    assert login.token_sha256 == sha256(browser.cookie.partition("=")[2])


def test_half_a_form_does_nothing(served: Served) -> None:
    browser = served.browser("viewer")
    headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", f"http://{HOST}")]
    headers += [("cookie", browser.cookie), ("content-length", "200")]
    body = f"csrf={browser.token('/api/docs')}".encode()
    assert asyncio.run(send(served.app, "POST", "/logout", headers, body, is_cut=True)).status == 0
    assert browser.ask(DOCS).status == 200


def test_ones_own_page_keeps_the_first_board_and_ends_every_sign_in(served: Served) -> None:
    browser, other = served.browser("viewer"), served.browser("viewer")
    token = browser.token("/profile")
    assert browser.act("/profile/board", csrf=token, home_board="site").status == 303
    assert browser.ask("/", headers=[PAGE]).headers["location"] == "/board/site"
    assert browser.act("/profile/board", csrf=token, home_board="//evil").status == 400
    page = browser.ask("/profile", headers=[PAGE]).text
    assert "/profile/board" in page
    assert "400 bad_request" in page
    assert browser.act("/profile/out", csrf=token).status == 303
    assert (browser.ask(DOCS).status, other.ask(DOCS).status) == (401, 401)


def test_a_browser_keeps_how_its_pages_look_and_goes_back_to_where_it_was(served: Served) -> None:
    browser = served.browser("viewer")
    token, cookie = browser.token("/profile"), browser.cookie
    for wrong in ({"theme": "pink"}, {"text": "300"}, {"locale": "xx"}):
        assert browser.act("/profile/look", csrf=token, **wrong).status == 400
    here, lasting = "/energy?site=works&locale=ar", "; HttpOnly; Max-Age=31536000"
    looks = ({"theme": "dark"}, {"text": "125"}, {"locale": "de"}, {"theme": ""})
    kept_as = (f"theme=dark{lasting}", f"text=125{lasting}", f"locale=de{lasting}", 'theme=""; HttpOnly; Max-Age=0')
    for look, kept in zip(looks, kept_as, strict=True):
        answer = browser.act("/profile/look", csrf=token, next=here, **look)
        browser.cookie = cookie
        # Only a language takes the place of another.
        back = "/energy?site=works" if "locale" in look else here
        assert (answer.status, answer.headers["location"]) == (303, back)
        assert kept in answer.headers["set-cookie"]
    assert browser.act("/profile/look", csrf=token, next="//evil").headers["location"] == "/"
    energy = "/energy?site=works&period=2026-03"
    plain = browser.ask(energy, headers=[PAGE])
    assert "data-theme" not in plain.text
    browser.cookie = f"{cookie}; theme=dark"
    dark = browser.ask(energy, headers=[PAGE, ("if-none-match", plain.headers["etag"])])
    # The page that was kept for the other is not theirs.
    assert dark.status == 200
    assert '<html lang="en" dir="ltr" data-theme="dark">' in dark.text
    browser.cookie = f"{cookie}; text=125; locale=ar"
    for page in (browser.ask(energy, headers=[PAGE]).text, browser.ask("/nothing", headers=[PAGE]).text):
        assert '<html lang="ar" dir="rtl" data-text="125">' in page
        assert 'class="places"' in page
    browser.cookie = f'{cookie}; theme="x" onload="y"'
    assert browser.ask(energy, headers=[PAGE]).text == plain.text
