"""Reports pushed to a real VTN on the loopback: sent once, revised in place, waiting while it is away."""

import json
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from assets.stores.audit import bad_rows
from assets.stores.published.deliveries import DeliveryStore
from assets.stores.schema.tables_reports import delivery_events, signatures
from assets.stores.sign import new_key
from assets.stores.transactions import connect_store
from controls.programmes.vtn_client import VtnClient
from controls.simulator.vtn import LocalVtn
from data_quality.contracts.settings import load_project
from orchestration.instance.start_lock import taken
from tests.controls.programmes.published import faults
from tests.controls.programmes.test_openadr3 import NAME, SECRET, source
from tests.orchestration.test_cli import run

READINGS = "timestamp,kwh\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,2\n2025-01-01T00:45Z,3\n"
# What was missing of the day, and the first half hour of the next.
_START = datetime(2025, 1, 1, tzinfo=UTC)
MORE = "timestamp,kwh\n" + "".join(f"{(_START + n * timedelta(minutes=15)).isoformat()},7\n" for n in range(2, 98))
VERSIONS: tuple[Literal["3.0", "3.1"], ...] = ("3.0", "3.1")


class Desk(NamedTuple):
    """A project with quarter hours of one meter, an operator with a key, and a viewer."""

    folder: Path

    def ingest(self, text: str, *, name: str = "a.csv") -> None:
        path = self.folder.parent / name
        path.write_text(text)
        code, _, error = run("ingest", str(path), "--site", "my_site", folder=self.folder)
        assert code == 0, error

    def listens_to(self, *sources: dict[str, Any]) -> None:
        """Write signal sources into the site file, in place of those before."""
        (path,) = (self.folder / "sites").glob("my_site.y*ml")
        text = path.read_text().partition("\nsignal_sources:")[0]
        path.write_text(f"{text}\nsignal_sources: {json.dumps(sources)}\n")

    def export(self, *more: str, by: str = "ann") -> tuple[int, Any, str]:
        words = ["--site", "my_site", "--meter", "main", "--period", "2025-01-01", "--event-id", "e-7", "--json"]
        words += ["--to", str(self.folder.parent / "r.json"), *(["--as", by] if by else []), *more]
        code, out, error = run("export", "openadr", *words, folder=self.folder)
        return code, json.loads(out) if out else None, error

    def push(self, *more: str, by: str = "ann") -> tuple[int, Any, str]:
        return self.export("--push", *more, by=by)

    def rows(self) -> list[tuple[str, int, str, int]]:
        store = connect_store(load_project(self.folder, {}).store_url)
        try:
            found = store.rows(delivery_events.select().order_by(delivery_events.c.recorded_at_utc))
            return [(row["report_id"].split("/")[2], row["revision"], row["state"], row["attempt"]) for row in found]
        finally:
            store.close()


def address(vtn: LocalVtn, **changes: Any) -> dict[str, Any]:
    given = source(vtn.url, **changes).model_dump(mode="json")
    return {name: value for name, value in given.items() if value is not None}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    folder = tmp_path / "p"
    assert run("init", str(folder))[0] == 0
    roles = {"ann": "operator", "vic": "viewer", "eva": "admin"}
    people = [{"person_id": name, "name": name, "roles": [role],
               "public_key": new_key(folder / "keys", name).public_key} for name, role in roles.items()]  # fmt: skip
    (folder / "people.yaml").write_text(json.dumps({"people": people}))
    monkeypatch.setenv("DSO_SECRET", SECRET)
    made = Desk(folder)
    made.ingest(READINGS)
    return made


@pytest.fixture(params=VERSIONS)
def vtn(request: pytest.FixtureRequest, desk: Desk) -> Any:
    with LocalVtn("ven-1", SECRET, [NAME], version=request.param) as served:
        desk.listens_to(address(served))
        yield served


def read(vtn: LocalVtn) -> list[dict[str, Any]]:
    """The reports that the VTN has, asked by a plain client."""
    token = {"Authorization": f"Bearer {VtnClient(source(vtn.url), SECRET).bearer()}"}
    with urllib.request.urlopen(urllib.request.Request(f"{vtn.url}/reports", headers=token), timeout=5) as answer:
        found: list[dict[str, Any]] = json.loads(answer.read())
    return found


def test_a_report_is_sent_once_and_a_changed_one_takes_its_place(desk: Desk, vtn: LocalVtn) -> None:
    code, told, error = desk.push()
    assert (code, told["pushed"], told["waiting"]) == (0, 2, 0), error
    assert [(each["state"], each["revision"]) for each in told["reports"]] == [("sent", 1)] * 2
    first = read(vtn)
    assert [fault for body in first for fault in faults(vtn.version, "served report", body)] == []
    assert [each["clientName"] for each in first] == ["home"] * 2
    programme = None if vtn.version == "3.1" else next(iter(vtn.objects["programs"]))
    assert [each.get("programID") for each in first] == [programme] * 2
    assert [each["said"] for each in told["reports"]] == [f"kept as {each['id']}" for each in first]

    assert desk.push()[1]["pushed"] == 2
    assert read(vtn) == first, "a second push sends nothing"

    desk.ingest(MORE)
    code, told, _ = desk.push()
    assert (code, [each["revision"] for each in told["reports"]]) == (0, [2, 2])
    second = read(vtn)
    assert [each["id"] for each in second] == [each["id"] for each in first], "in its place, not beside it"
    assert [len(each["resources"][0]["intervals"]) for each in second] == [96, 96]
    names, steps = ("USAGE 2025-01-01", "DEMAND 2025-01-01"), (("pending", 0), ("sent", 1))
    assert sorted(desk.rows()) == sorted((name, number, *step) for name in names for number in (1, 2) for step in steps)


def test_who_asked_is_signed_with_what_was_sent(desk: Desk, vtn: LocalVtn) -> None:
    desk.push()
    store = connect_store(load_project(desk.folder, {}).store_url)
    try:
        signed = [row for row in store.rows(signatures.select()) if row["kind"] == "export openadr"]
        (one, _) = DeliveryStore(store).deliveries()
        assert bad_rows(store) == []
    finally:
        store.close()
    assert {row["person_id"] for row in signed} == {"ann"}
    assert {row["subject"] for row in signed} == {
        f"e-7/main/{name} 2025-01-01@1" for name in ("USAGE", "DEMAND")
    }  # fmt: skip
    assert any(one.delivery_id in row["action"] for row in signed)


def test_another_period_of_an_event_is_another_report(desk: Desk, vtn: LocalVtn) -> None:
    desk.push()
    desk.ingest(MORE)
    assert desk.push("--period", "2025-01-02")[0] == 0
    assert sorted(each["reportName"] for each in read(vtn)) == [
        "DEMAND 2025-01-01", "DEMAND 2025-01-02", "USAGE 2025-01-01", "USAGE 2025-01-02",
    ]  # fmt: skip


def test_what_a_vtn_that_is_away_did_not_get_waits_and_is_delivered_later(desk: Desk) -> None:
    with LocalVtn("ven-1", SECRET, [NAME]) as gone:
        desk.listens_to(address(gone))
        port = int(gone.url.rpartition(":")[2])
    code, told, error = desk.push()
    assert (code, told["pushed"], told["waiting"]) == (3, 0, 2), error
    assert "does not answer" in told["reports"][0]["said"]
    assert run("reports", "deliver", folder=desk.folder)[0] == 1
    desk.ingest(MORE)
    assert [each["revision"] for each in desk.push()[1]["reports"]] == [2, 2]
    with LocalVtn("ven-1", SECRET, [NAME], port=port) as back:
        code, out, error = run("reports", "deliver", "--json", folder=desk.folder)
        assert code == 0, error
        assert [each["state"] for each in json.loads(out)["deliveries"]] == ["sent", "sent"]
        assert [len(each["resources"][0]["intervals"]) for each in read(back)] == [96, 96], "the newest alone"
        assert json.loads(run("reports", "deliver", "--json", folder=desk.folder)[1])["deliveries"] == []
    assert ("USAGE 2025-01-01", 1, "failed") in [row[:3] for row in desk.rows()], "its successor took its place"


def test_a_refusal_is_a_row_with_its_reason_and_the_next_push_tries_again(
    desk: Desk, vtn: LocalVtn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DSO_SECRET", "another")
    code, told, _ = desk.push()
    assert (code, told["pushed"], told["waiting"]) == (1, 0, 0)
    assert [each["state"] for each in told["reports"]] == ["failed", "failed"]
    assert "refuses the question with 401" in told["reports"][0]["said"]
    assert "another" not in json.dumps(told)
    assert json.loads(run("reports", "deliver", "--json", folder=desk.folder)[1])["deliveries"] == []
    monkeypatch.setenv("DSO_SECRET", SECRET)
    assert desk.push()[1]["pushed"] == 2
    assert len(read(vtn)) == 2


def test_a_waiting_report_that_was_changed_on_the_disk_or_whose_server_moved_is_not_sent(desk: Desk) -> None:
    with LocalVtn("ven-1", SECRET, [NAME]) as gone:
        desk.listens_to(address(gone))
        port = int(gone.url.rpartition(":")[2])
    desk.push()
    with LocalVtn("ven-1", SECRET, [NAME], port=port) as vtn:
        files = sorted((load_project(desk.folder, {}).data_dir / "openadr").glob("*.json"))
        assert len(files) == 2
        files[0].write_text(files[0].read_text().replace("1.0", "9.0").replace("4.0", "9.0"))
        code, out, _ = run("reports", "deliver", "--json", folder=desk.folder)
        assert (code, len(vtn.objects["reports"])) == (1, 1)
        (kept,) = [each["reason"] for each in json.loads(out)["deliveries"] if each["state"] == "failed"]
        assert "is not what was asked to be sent" in kept
    desk.ingest(MORE)
    assert desk.push()[0] == 3
    with LocalVtn("ven-1", SECRET, [NAME]) as elsewhere:
        desk.listens_to(address(elsewhere))
        code, out, _ = run("reports", "deliver", "--json", folder=desk.folder)
        assert (code, elsewhere.objects["reports"]) == (1, {})
        assert all("push it again" in each["reason"] for each in json.loads(out)["deliveries"])
        assert desk.push()[1]["pushed"] == 2


Prepare = Callable[[Desk, LocalVtn], None]


@pytest.mark.parametrize(
    ("prepare", "words", "by", "sentence"),
    [
        (lambda desk, _: desk.listens_to(), (), "ann", "takes part in no programme of an OpenADR 3 server"),
        (lambda desk, vtn: desk.listens_to(address(vtn), address(vtn, source_id="two")), (), "ann",
         "name one of its servers by --source: dso, two"),
        (lambda desk, vtn: desk.listens_to(address(vtn)), ("--source", "x"), "ann", "'x' is none of its servers"),
        (lambda desk, vtn: desk.listens_to(address(vtn)), (), "", "add --as PERSON"),
        (lambda desk, vtn: desk.listens_to(address(vtn)), (), "vic", "vic may not do this"),
        (lambda desk, vtn: desk.listens_to(address(vtn, secret_env="NOT_SET")), (), "ann", "NOT_SET is not set"),
    ],
)  # fmt: skip
def test_what_cannot_be_pushed_is_one_sentence_and_nothing_waits(
    desk: Desk, prepare: Prepare, words: tuple[str, ...], by: str, sentence: str
) -> None:
    with LocalVtn("ven-1", SECRET, [NAME]) as vtn:
        prepare(desk, vtn)
        code, _, error = desk.push(*words, by=by)
        assert (code, sentence in error) == (2, True), error
        assert (vtn.objects["reports"], desk.rows()) == ({}, [])


def test_synthetic_readings_go_to_a_simulated_server_alone(desk: Desk) -> None:
    mapped = {"match": "made_*", "timestamp": "timestamp", "value": "kwh", "is_synthetic": True}
    (site,) = (desk.folder / "sites").glob("my_site.y*ml")
    site.write_text(f"{site.read_text()}\ncolumn_maps: {json.dumps([mapped])}\n")
    desk.ingest(MORE, name="made_up.csv")
    with LocalVtn("ven-1", SECRET, [NAME]) as vtn:
        desk.listens_to(address(vtn, is_synthetic=False))
        code, _, error = desk.push()
        assert (code, "readings there are synthetic, and dso is a real server" in error) == (2, True), error
        assert (vtn.objects["reports"], desk.rows()) == ({}, [])
        desk.listens_to(address(vtn))
        assert desk.push()[1]["pushed"] == 2


def test_without_push_the_file_carries_the_programme_that_is_named(desk: Desk) -> None:
    code, told, error = desk.export("--programme-id", "p-1", by="")
    assert (code, told["pushed"], told["waiting"]) == (0, None, None), error
    bodies = json.loads((desk.folder.parent / "r.json").read_text())
    assert [each["programID"] for each in bodies] == ["p-1", "p-1"]
    assert [fault for body in bodies for fault in faults("3.0", "report", body)] == []


def test_beside_another_push_none_is_asked_for_or_sent(desk: Desk) -> None:
    project = load_project(desk.folder, {})
    with LocalVtn("ven-1", SECRET, [NAME]) as vtn:
        desk.listens_to(address(vtn))
        with taken(project, "push"):
            code, _, error = desk.push()
            assert (code, "a push of OpenADR reports" in error) == (2, True), error
            assert "wait for it" in error
            assert (vtn.objects["reports"], desk.rows()) == ({}, [])
        assert desk.push()[1]["pushed"] == 2
        port = int(vtn.url.rpartition(":")[2])
    desk.ingest(MORE)
    assert desk.push()[1]["waiting"] == 2
    with LocalVtn("ven-1", SECRET, [NAME], port=port) as vtn:
        with taken(project, "push"):
            assert run("reports", "deliver", folder=desk.folder)[0] == 2
            assert vtn.objects["reports"] == {}
        assert run("reports", "deliver", folder=desk.folder)[0] == 0
        assert len(read(vtn)) == 2


def test_an_erased_meter_leaves_no_reading_in_what_was_pushed_and_others_keep_theirs(desk: Desk) -> None:
    (site,) = (desk.folder / "sites").glob("my_site.y*ml")
    site.write_text(site.read_text().replace("meters:\n", "meters:\n  - {meter_id: flat, parent: main}\n", 1))
    desk.ingest("meter,timestamp,kwh\nflat,2025-01-01T00:00Z,77.25\nflat,2025-01-01T00:15Z,77.25\n", name="flat.csv")
    folder = load_project(desk.folder, {}).data_dir / "openadr"
    with LocalVtn("ven-1", SECRET, [NAME]) as vtn:
        desk.listens_to(address(vtn))
        assert desk.push()[1]["pushed"] == 2
        others = {path.name for path in folder.glob("*.json")}
        assert desk.push("--meter", "flat")[1]["pushed"] == 2
    assert sum("77.25" in path.read_text() for path in folder.glob("*.json")) == 1
    words = ("erase", "meter/my_site/flat", "--yes", "--as", "eva", "--json")
    code, out, error = run(*words, folder=desk.folder)
    assert code == 0, error
    assert {each["name"]: each["rows"] for each in json.loads(out)["classes"]}["pushed"] == 2
    assert {path.name for path in folder.glob("*.json")} == others
    assert ("USAGE 2025-01-01", 1, "sent", 1) in desk.rows(), "that it was sent stays"
