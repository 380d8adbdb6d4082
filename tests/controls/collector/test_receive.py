"""The door for machines, as its own process: what it acknowledges is in the landing folder, what it refuses is not."""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from assets.sites.load_sites import NOBODY
from assets.stores.api_keys import ApiKeyStore
from assets.stores.live.live_store import LiveReader
from assets.stores.transactions import open_store
from controls.gateways.ports import free_port
from data_quality.contracts.errors import BadInput
from data_quality.contracts.settings import load_project
from data_quality.contracts.time import FixedClock
from tests.controls.collector.pushing import PEOPLE, call, door, make_project, new_key, push, reading, send

HEAD = "POST /api/v1/readings HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("pushed"))


@pytest.fixture
def key(project: Path) -> str:
    """A key of its own for each test: none waits for what another sent."""
    return new_key(project)


@pytest.fixture(scope="module")
def url(project: Path) -> Iterator[str]:
    # The command makes the store that the door opens.
    new_key(project)
    with door(project) as opened:
        yield opened.url


def landed(project: Path) -> list[Path]:
    return sorted((project / "landing").rglob("*.json"))


def test_pushed_rows_land_once_and_become_readings(project: Path, url: str, key: str) -> None:
    counter = {"meter": "m2", "unit": "kwh"}
    rows = [
        reading(),
        reading(15),
        {**counter, "at": "2026-01-01T00:00:00Z", "value": 100.5},
        {**counter, "at": "2026-01-01T00:15:00+00:00", "value": "101.25"},
        reading(meter="pieces", value=7, unit="count"),
    ]
    first = push(url, key, rows)
    assert first.status_code == 202, first.text
    body = first.json()
    assert (body["accepted"], body["rejected"], body["doubled"]) == (5, 0, 0)
    second = push(url, key, rows)
    assert (second.status_code, second.json()) == (200, body)
    (path,) = landed(project)
    status = f"{url}{body['status_url']}"
    bearer = {"Authorization": f"Bearer {key}"}
    assert httpx.get(status, headers=bearer, trust_env=False).json()["state"] == "waiting"
    assert call(project, "ingest", str(path), "--site", "works")["files"][0]["new_rows"] == 4
    stored = httpx.get(status, headers=bearer, trust_env=False).json()
    assert (stored["state"], stored["accepted"]) == ("stored", 4)
    assert call(project, "ingest", str(path), "--site", "works")["files"][0]["is_repeat"]


def test_every_row_is_accepted_or_refused_with_its_reason(url: str, key: str) -> None:
    late = (datetime.now(UTC) + timedelta(hours=1)).replace(minute=0, second=0, microsecond=0)
    cases = {
        "unknown_meter": reading(30, meter="m9"),
        "not_of_source": reading(30, meter="m3"),
        "unknown_register": reading(30, register="export"),
        "unit_mismatch": reading(30, unit="kW"),
        "not_text": reading(30, meter="m\ud800"),
        "unknown_unit": reading(30, unit="kwhh"),
        "no_zone": reading(30, start="2026-01-01T00:30:00"),
        "bad_timestamp": reading(30, start="yesterday"),
        "future_timestamp": reading(30, start=late.isoformat()),
        "not_a_number": reading(30, value="1,5"),
        "unknown_interval": reading(30, minutes=-15),
        "off_grid": reading(30, start="2026-01-01T00:07:00Z"),
        "negative_consumption": reading(30, value=-1),
        "quality_range": reading(30, quality="good"),
        "missing_field": {"meter": "m1"},
        "unknown_field": reading(30, start_time="x"),
        "wrong_shape": ["a", "list"],
        "two_kinds": reading(30, at="2026-01-01T00:30:00Z"),
    }
    answer = push(url, key, [reading(45), *cases.values()])
    assert answer.status_code == 202, answer.text
    body = answer.json()
    assert {each["row"]: each["reason"] for each in body["rejects"]} == dict(enumerate(cases, start=2))
    assert (body["accepted"], body["rejected"]) == (1, len(cases))
    assert all(each["expected"] for each in body["rejects"])


def test_a_body_that_is_none_is_refused_in_one_sentence(project: Path, url: str, key: str) -> None:
    cases = [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"[1]", "wrong_shape"),
        (b'{"site": "works"}', "wrong_shape"),
        (b'{"site": "works", "readings": []}', "wrong_shape"),
        (b'{"site": "works", "readings": [{"value": NaN}]}', "not_json"),
        (b'{"site": "works", "readings": [{"value": 1, "value": 2}]}', "not_json"),
        (b'{"site": "works", "readings": [1]} trailing', "not_json"),
        (b'{"site": "works", "readings": ' + b"[" * 1_000_000, "not_json"),
        (b'{"site": "works", "readings": [{"value": 1e309}]}', "no_good_row"),
        (b"\xff\xfe\x00", "not_json"),
    ]
    before = landed(project)
    for body, reason in cases:
        answer = send(url, key, body)
        assert (answer.status_code, answer.json()["reason"]) == (422, reason), body[:60]
        assert answer.headers["content-type"] == "application/problem+json"
        assert "\n" not in answer.json()["detail"]
    assert landed(project) == before


@pytest.mark.parametrize("name", ["meter", "register", "start", "value", "unit", "quality", "\udfff"])
def test_half_a_character_is_a_refused_row_wherever_it_stands(url: str, key: str, name: str) -> None:
    answer = push(url, key, [reading(45), reading(60, **{name: "m1\ud800"})])
    assert answer.status_code == 202, answer.text
    (refused,) = answer.json()["rejects"]
    assert refused["row"] == 2
    assert refused["expected"]


def test_half_a_character_in_the_site_or_beside_the_rows_is_no_fault_of_ours(url: str, key: str) -> None:
    assert push(url, key, [reading(45)], site="works\ud800").json()["reason"] == "another_site"
    body = b'{"site": "works", "note": "\\ud800", "readings": [{"meter": "\\ud800"}]}'
    assert send(url, key, body).json()["reason"] == "no_good_row"


def test_who_forwards_for_whom_is_believed_of_trusted_proxies_alone(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    new_key(project)

    def statuses(url: str, count: int) -> list[int]:
        where = f"{url}/api/v1/readings"
        headers = [{"Authorization": "Bearer mlk_x_y", "X-Forwarded-For": f"203.0.113.{n}"} for n in range(count)]
        return [httpx.post(where, content=b"{}", headers=each, trust_env=False).status_code for each in headers]

    with pytest.MonkeyPatch.context() as patch:
        # uvicorn's own: nobody of ours named it.
        patch.setenv("FORWARDED_ALLOW_IPS", "*")
        with door(project) as opened:
            assert statuses(opened.url, 25)[-1] == 429
    (project / "meterloom.yaml").write_text("push: {trusted_proxies: [127.0.0.0/8]}\n")
    with door(project) as opened:
        assert statuses(opened.url, 25) == [401] * 25
    (project / "meterloom.yaml").write_text("push:\n  trusted_proxies: ['*']\n")
    with pytest.raises(BadInput, match=r"line 2.*trusted_proxies.*IPv4 or IPv6 network"):
        load_project(project, {})


def test_a_second_door_leaves_the_bodies_of_the_first_alone(tmp_path: Path) -> None:
    """Also one that finds its port taken; and once nobody runs any more, what was left behind is gone."""
    project = make_project(tmp_path)
    new_key(project)
    written = project / "landing" / "works" / ".push-of-the-first.json"
    written.parent.mkdir(parents=True)
    with door(project) as first:
        written.write_text("{")
        with door(project):
            assert written.exists()
        port = first.url.rpartition(":")[2]
        words = [sys.executable, "-m", "controls.collector.receive_main", "--project", str(project)]
        taken = subprocess.run(
            words, env={**os.environ, "METERLOOM_PUSH__PORT": port}, check=False, capture_output=True, timeout=60
        )
        assert taken.returncode == 3
        assert written.exists()
    with door(project):
        assert not written.exists()


def test_an_idempotency_key_answers_for_its_body_alone(project: Path, url: str, key: str) -> None:
    rows = [reading(60)]
    first = push(url, key, rows, Idempotency_Key="night-1")
    second = push(url, key, rows, Idempotency_Key="night-1")
    assert (first.status_code, second.status_code, second.json()) == (202, 200, first.json())
    other = push(url, key, [reading(75)], Idempotency_Key="night-1")
    assert (other.status_code, other.json()["reason"]) == (422, "another_body")
    # The same bytes under another name are the same file.
    count = len(landed(project))
    assert push(url, key, rows, Idempotency_Key="night-2").json()["receipt"] == first.json()["receipt"]
    assert len(landed(project)) == count
    assert push(url, key, rows, Idempotency_Key="x" * 129).status_code == 400


def test_only_a_good_key_opens_and_only_for_its_sites(project: Path, url: str, key: str) -> None:
    before = landed(project)
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    for text in ("x", "mlk_", "mlk_000000000000_x", wrong, key.replace("mlk", "mlx")):
        assert push(url, text, [reading(90)]).status_code == 401
    other = push(url, key, [reading(90)], site="other")
    unknown = push(url, key, [reading(90)], site="nowhere")
    assert (other.status_code, other.json()["reason"]) == (403, "another_site")
    assert other.json()["detail"].replace("other", "nowhere") == unknown.json()["detail"]
    in_address = httpx.post(f"{url}/api/v1/readings?key={key}", content=b"{}", trust_env=False)
    assert (in_address.status_code, in_address.json()["reason"]) == (400, "key_in_address")
    assert landed(project) == before


def test_a_revoked_key_and_one_whose_owner_lost_the_role_open_nothing(project: Path, url: str) -> None:
    mine = new_key(project)
    assert push(url, mine, [reading(105)]).status_code == 202
    people = project / "people.yaml"
    text = people.read_text()
    people.write_text(text.replace("[engineer]", "[operator]"))
    assert push(url, mine, [reading(105)]).status_code == 401
    people.write_text("people: [\n")
    broken = push(url, mine, [reading(105)])
    assert broken.status_code == 503
    people.write_text(text)
    assert push(url, mine, [reading(105)]).status_code == 200
    call(project, "keys", "revoke", mine.split("_")[1], "--as", "erik", "--reason", "sold")
    assert push(url, mine, [reading(105)]).status_code == 401
    states = {each["key_id"]: each["state"] for each in call(project, "keys", "list")["machine_keys"]}
    assert states[mine.split("_")[1]] == "revoked"


@pytest.mark.parametrize(
    "words",
    [
        ("issue", "gw", "--site", "works", "--as", "erik"),
        ("revoke", "0", "--as", "erik", "--reason", "sold"),
        ("list",),
    ],
)
def test_without_people_keys_are_refused_in_the_sentence_that_names_the_file(words: list[str], tmp_path: Path) -> None:
    (make_project(tmp_path) / "people.yaml").unlink()
    assert NOBODY in " ".join(call(tmp_path, "keys", *words, code=2).split())


def test_a_door_without_people_says_so_and_opens_when_the_file_is_there(tmp_path: Path) -> None:
    key = new_key(make_project(tmp_path))
    people = tmp_path / "people.yaml"
    people.unlink()
    with door(tmp_path) as opened:
        assert push(opened.url, key, [reading()]).status_code == 503
        people.write_text(PEOPLE)
        assert push(opened.url, key, [reading()]).status_code == 202
        # Whose keys are of a file that was changed since the door opened is asked of that one.
        call(tmp_path, "keys", "new", "erik")
        assert push(opened.url, new_key(tmp_path), [reading(15)]).status_code == 202
        opened.process.terminate()
        assert opened.process.stderr is not None
        assert NOBODY in opened.process.stderr.read().decode()


def test_a_body_of_a_gigabyte_is_refused_unread(url: str, key: str) -> None:
    place = urlsplit(url)
    assert place.hostname
    assert place.port
    head = HEAD.format(key=key)
    with socket.create_connection((place.hostname, place.port), timeout=10) as wire:
        wire.sendall(f"{head}Content-Length: {2**30}\r\n\r\n".encode())
        began_s = time.monotonic()
        assert wire.recv(4096).startswith(b"HTTP/1.1 413 ")
        assert time.monotonic() - began_s < 5
    # Without a length it is stopped on its way: far less than a gigabyte passes.
    sent = 0
    with socket.create_connection((place.hostname, place.port), timeout=10) as wire:
        wire.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(1024):
                wire.sendall(b"100000\r\n" + b" " * 2**20 + b"\r\n")
                sent += 1
        except OSError:
            pass
    assert sent < 64
    assert push(url, key, [reading(120)]).status_code == 202


def test_what_is_cut_or_packed_or_of_another_kind_does_not_land(project: Path, url: str, key: str) -> None:
    before = landed(project)
    place = urlsplit(url)
    head = HEAD.format(key=key)
    body = json.dumps({"site": "works", "readings": [reading(135)]}).encode()
    with socket.create_connection((place.hostname or "", place.port or 0)) as wire:
        wire.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-1])
    assert send(url, key, body, Content_Encoding="gzip").status_code == 415
    assert send(url, key, body, Content_Type="text/csv").status_code == 415
    assert httpx.get(f"{url}/api/v1/readings", trust_env=False).status_code == 405
    assert landed(project) == before


def test_too_many_bodies_are_told_to_wait(project: Path, url: str) -> None:
    mine = new_key(project)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: push(url, mine, [reading(150)]), range(60)))
    found = {each.status_code for each in answers}
    assert found >= {202, 429}
    # While the first is worked on the others of its key are told so; behind it they are told what it was.
    assert found <= {200, 202, 409, 429}
    time.sleep(1.1)
    assert push(url, mine, [reading(150)]).status_code == 200
    assert next(each for each in answers if each.status_code == 429).headers["retry-after"] == "1"


def test_on_a_full_disk_nothing_is_acknowledged(tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mounted)]
    made = subprocess.run(words, check=False, capture_output=True)
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
    try:
        project = make_project(tmp_path)
        (project / "meterloom.yaml").write_text(f"paths: {{landing: {mounted}}}\n")
        mine = new_key(project)
        with door(project) as (url, _):
            assert push(url, mine, [reading()]).status_code == 202
            many = [reading(15, meter=f"m{number}") for number in range(6000)]
            full = push(url, mine, [reading(15), *many])
            assert (full.status_code, full.json()["reason"]) == (507, "cannot_be_kept")
            assert "receipt" not in full.json()
            assert [path.name.startswith(".") for path in mounted.rglob("*.json")] == [False]
            assert push(url, mine, [reading(15)]).status_code == 202
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    """Six kills in the middle of pushes; every acknowledged body is a whole file afterwards."""
    project, acknowledged, number, chance = make_project(tmp_path), set(), 0, random.Random(20)
    for _ in range(6):
        mine = new_key(project)
        with door(project) as (url, process):
            # Its first body waits for what is loaded then, which is no middle of a push.
            push(url, mine, [reading()])
            killed = threading.Timer(chance.uniform(0.5, 1.5), process.kill)
            killed.start()
            while process.poll() is None:
                number += 1
                with suppress(httpx.HTTPError):
                    answer = push(url, mine, [reading(15 * (number % 96), value=number)])
                    if answer.status_code == 202:
                        acknowledged.add(answer.json()["sha256"])
            killed.join()
    names = {path.name for path in landed(project) if not path.name.startswith(".")}
    assert len(acknowledged) > 6
    assert {f"push-{each[:32]}.json" for each in acknowledged} <= names
    with door(project):
        assert not list((project / "landing").glob("*/.push-*"))


def test_a_key_lasts_a_year_at_most_and_its_secret_is_nowhere(project: Path, key: str) -> None:
    store = open_store(f"sqlite:///{project / 'var' / 'store.db'}")
    keys, clock = ApiKeyStore(store), FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    with pytest.raises(BadInput, match="1 to 366 days"):
        keys.issue("erik", name="x", sites=["works"], scopes=["ems.readings.push"], days=367, clock=clock)
    made, text = keys.issue("erik", name="x", sites=["works"], scopes=["ems.readings.push"], days=1, clock=clock)
    assert keys.opened_by(text, clock.now_utc()) == made
    assert keys.opened_by(text, clock.now_utc() + timedelta(days=1)) is None
    store.close()
    for secret in (text.split("_", 2)[2], key.split("_", 2)[2]):
        assert not any(secret.encode() in path.read_bytes() for path in (project / "var").rglob("*") if path.is_file())


def test_keys_are_issued_by_an_engineer_for_sites_that_exist(project: Path) -> None:
    words = ("keys", "issue", "gateway", "--site")
    assert "has not the role" in call(project, *words, "works", "--as", "anna", code=2)
    assert "unknown site" in call(project, *words, "wroks", "--as", "erik", code=2)
    assert "is not known" in call(project, "keys", "revoke", "0", "--as", "erik", "--reason", "x", code=2)


def test_the_newest_value_of_each_pushed_register_is_on_the_live_board_with_its_own_age(
    project: Path, url: str, key: str
) -> None:
    counter = {"meter": "m2", "unit": "wh"}
    rows = [
        {**counter, "at": "2026-01-03T00:15:00Z", "value": 901_250},
        {**counter, "at": "2026-01-03T00:00:00Z", "value": 900_500},
        reading(3 * 1440, start="2026-01-03T00:00:00Z"),
        reading(3 * 1440, start="2026-01-03T00:15:00Z", meter="pieces", value=7, unit="count", quality="questionable"),
        # Refused, and newer: no value of the board.
        reading(3 * 1440, start="2026-01-03T06:00:00Z", value="nine"),
    ]
    assert push(url, key, rows).status_code == 202
    # What comes late is no newer than what is shown.
    assert push(url, key, [{**counter, "at": "2026-01-02T23:45:00Z", "value": 900_000}]).status_code == 202
    found = {each.point: each for each in LiveReader(project / "var" / "live").values("works")}
    newest = {name: (each.value, f"{each.at_utc:%dT%H:%M}", each.quality) for name, each in found.items()}
    assert newest == {
        "m2": (901.25, "03T00:15", "measured"),
        "m1": (0.25, "03T00:15", "measured"),
        "pieces": (7.0, "03T00:30", "doubtful"),
    }
    assert all(each.age_s(each.received_utc) > 86_400 for each in found.values())
    (listed,) = call(project, "sources", "list", "--site", "works")["sources"]
    assert (listed["state"], listed["last_utc"] is None) == ("pushed", False)


def test_a_live_store_that_cannot_be_written_refuses_no_push(tmp_path: Path) -> None:
    folder = make_project(tmp_path)
    bearer = new_key(folder)
    (folder / "var" / "live").parent.mkdir(exist_ok=True)
    (folder / "var" / "live").write_text("a file where the folder should be")
    with door(folder) as opened:
        assert push(opened.url, bearer, [reading()]).status_code == 202
    assert len(landed(folder)) == 1


def test_the_door_says_on_the_loopback_what_it_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_project(tmp_path)
    bearer, port = new_key(folder), free_port()
    monkeypatch.setenv("METERLOOM_SERVER__RECEIVE_PORT", str(port))
    with door(folder) as opened:
        push(opened.url, bearer, [reading(), reading(15, meter="m9")])
        push(opened.url, "mlk_wrong", [reading()])
        page = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        health = httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    assert 'meterloom_push_answered_total{status="202"} 1' in page
    assert 'meterloom_push_answered_total{status="401"} 1' in page
    assert 'meterloom_push_rows_total{became="accepted"} 1' in page
    assert 'meterloom_push_rows_total{became="rejected"} 1' in page
    assert (health.status_code, health.text) == (200, "taking readings\n")
