"""Acts that the browser signs: the text is handed out and nothing is done; only the right signature over it acts."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.sites.edit_site import text_tag
from assets.stores.audit import bad_rows
from assets.stores.published.publications import PublicationStore
from assets.stores.schema.tables_control import mode_requests
from assets.stores.sign import is_signed, load_key, new_key
from assets.stores.web.audit_events import newest_events
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.views.control_stamp import control_stamp
from tests.conftest import ROOT
from tests.reports.publish.conftest import REVISION, MakeDesk, desk
from tests.web.asking import Answer
from tests.web.devices_world import device_folder, devices
from tests.web.marts_world import Asking
from tests.web.sending import file_of, sent
from tests.web.test_report_pages import AT, LATER, as_of
from tests.web.test_seed0 import written_by_hand
from tests.web.why_world import posted

__all__ = ["desk", "device_folder", "devices"]
FORM = {"reason": "compared with the bills", "seen": "draft"}


@pytest.fixture
def keyed(desk: MakeDesk) -> Iterator[Asking]:
    project = OpenProject(str(desk().folder))
    yield Asking(project, FixedClock(LATER), project.people.known("anna"))
    project.close()


def text_of(asking: Asking, path: str, form: dict[str, str]) -> dict[str, str]:
    answer = posted(asking, path, form={**form, "ask_to_sign": "1"})
    assert answer.status == 200, answer.text
    return answer.said


def signed(asking: Asking, told: dict[str, str], *, by: str = "") -> dict[str, str]:
    """The fields that the script of the page adds. by: whose key, the person's own where none is named."""
    key = load_key(asking.project.project.root / "keys", by or asking.person.person_id)
    text = told["action"].encode()
    return {
        "signature": key.sign(told["domain"], text),
        "signed_sha256": hashlib.sha256(text).hexdigest(),
        "signed_at_utc": json.loads(text)["at_utc"],
    }


def steps(asking: Asking) -> list[str]:
    return [each.step for each in PublicationStore(asking.project.store).decisions(REVISION[:-2], 1)]


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.said["code"]


def test_two_people_review_and_publish_with_their_keys_and_both_signatures_hold(keyed: Asking) -> None:
    dirk = as_of(keyed, "dirk")
    for who, act, seen in ((keyed, "review", "draft"), (dirk, "publish", "reviewed")):
        form = {"reason": f"looked at by {who.person.name}", "seen": seen}
        told = text_of(who, f"{AT}/{act}", form)
        said = json.loads(told["action"])
        assert (said["kind"], said["person_id"], said["subject"]) == (f"reports {act}", who.person.person_id, REVISION)
        assert said["facts"]["reason"] == form["reason"]
        sent = form | signed(who, told)
        assert posted(who, f"{AT}/{act}", form=sent).status == 303
        # A second click, and a message that is played again.
        assert posted(who, f"{AT}/{act}", form=sent).status == 303
    assert steps(keyed) == ["reviewed", "published"]
    kept = PublicationStore(keyed.project.store).signatures(REVISION)
    assert [is_signed(each) for each in kept] == [True, True]
    # The plant's baseline is approved without a key; what was done here is not among what does not count.
    assert {each.table for each in bad_rows(keyed.project.store)} == {"baseline_approvals"}


def test_to_ask_for_the_text_does_nothing_and_leaves_no_line(keyed: Asking) -> None:
    text_of(keyed, f"{AT}/review", FORM)
    assert steps(keyed) == []
    assert newest_events(keyed.project.store) == []
    assert PublicationStore(keyed.project.store).signatures(REVISION) == []


def test_who_may_not_act_is_given_no_text(keyed: Asking) -> None:
    dirk, ctx = as_of(keyed, "dirk"), {**FORM, "ask_to_sign": "1"}
    assert code(posted(dirk, f"{AT}/review", form=ctx)) == (403, "missing_role")
    assert code(posted(dirk, f"{AT}/publish", form=ctx | {"seen": "reviewed"}))[0] == 412
    assert code(posted(dirk, f"{AT}/publish", form=ctx)) == (422, "not_reviewed")


@pytest.mark.parametrize("by", ["dirk", "stranger"])
def test_the_key_of_another_signs_nothing(keyed: Asking, by: str) -> None:
    if by == "stranger":
        new_key(keyed.project.project.root / "keys", by)
    told = text_of(keyed, f"{AT}/review", FORM)
    assert code(posted(keyed, f"{AT}/review", form=FORM | signed(keyed, told, by=by))) == (403, "wrong_signature")
    assert steps(keyed) == []


@pytest.mark.parametrize("bent", [{"signature": ""}, {"signature": "AAAA"}, {"signature": "é" * 90}])
def test_a_malformed_signature_is_refused(keyed: Asking, bent: dict[str, str]) -> None:
    told = text_of(keyed, f"{AT}/review", FORM)
    assert code(posted(keyed, f"{AT}/review", form=FORM | signed(keyed, told) | bent)) == (403, "wrong_signature")


def test_a_key_that_was_taken_away_meanwhile_signs_nothing(keyed: Asking) -> None:
    told = text_of(keyed, f"{AT}/review", FORM)
    sent = FORM | signed(keyed, told)
    people = keyed.project.project.people_file
    rows = yaml.safe_load(people.read_text())
    rows["people"][0]["public_key"] = new_key(people.parent / "others", "anna").public_key
    people.write_text(yaml.safe_dump(rows))
    # The text names no key: the signature is over it, and of a key that is nobody's any more.
    assert code(posted(keyed, f"{AT}/review", form=sent)) == (403, "wrong_signature")
    del rows["people"][0]["public_key"]
    people.write_text(yaml.safe_dump(rows))
    assert code(posted(keyed, f"{AT}/review", form=sent))[1] == "no_public_key"
    assert steps(keyed) == []


def test_what_changed_between_showing_and_sending_is_refused(keyed: Asking) -> None:
    told = text_of(keyed, f"{AT}/review", FORM)
    sent = FORM | signed(keyed, told)
    assert code(posted(keyed, f"{AT}/review", form=sent | {"reason": "all good"})) == (412, "signed_other")
    # The refusal is a line of the chain itself: the text that was signed has lost its place in it.
    assert code(posted(keyed, f"{AT}/review", form=sent)) == (412, "signed_other")
    assert code(posted(keyed, f"{AT}/return", form=sent)) == (412, "signed_other")
    assert steps(keyed) == []


@pytest.mark.parametrize("later", [timedelta(minutes=3), -timedelta(seconds=1)])
def test_a_signature_of_another_time_is_refused(keyed: Asking, later: timedelta) -> None:
    sent = FORM | signed(keyed, text_of(keyed, f"{AT}/review", FORM))
    keyed.clock.advance(later)
    assert code(posted(keyed, f"{AT}/review", form=sent)) == (412, "signed_late")
    keyed.clock.advance(-later)
    assert posted(keyed, f"{AT}/review", form=sent | {"signed_at_utc": "yesterday"}).status in (400, 422)


def with_keys(devices: Asking, *names: str) -> list[Asking]:
    folder = devices.project.project.root
    rows = yaml.safe_load((folder / "people.yaml").read_text())
    for row in rows["people"]:
        if row["person_id"] in names:
            row["public_key"] = new_key(folder / "keys", row["person_id"]).public_key
    (folder / "people.yaml").write_text(yaml.safe_dump(rows))
    return [Asking(devices.project, devices.clock, devices.project.people.known(each)) for each in names]


def on_site(asking: Asking, place: str, **form: str) -> Answer:
    seen = control_stamp(asking.project.store, "plant", "")
    path, given = f"/devices/{place}?site=plant", {"seen": seen, **form}
    return posted(asking, path, form=given | signed(asking, text_of(asking, path, given)))


def test_two_engineers_bring_a_site_to_full_with_their_keys(devices: Asking) -> None:
    carla, eve = with_keys(devices, "carla", "eve")
    answer = on_site(carla, "mode", mode="FULL", reason="four weeks without a fault", expires="1d")
    assert answer.status == 303, answer.text
    rows: list[dict[str, Any]] = devices.project.store.rows(mode_requests.select())
    assert [each["person_id"] for each in rows] == ["carla"]
    answer = on_site(eve, f"requests/{rows[0]['id']}/approve")
    assert answer.status == 303, answer.text
    assert bad_rows(devices.project.store) == []


NEXT_TARIFF = (
    "tariff_id: NIGHT-2\ncurrency: EUR\nvalid_from: 2030-07-01\nvalid_to: 2031-01-01\n"
    "periods: [{period_id: all, price_per_kwh: 0.3}]\n"
)


def with_fields(asking: Asking, target: str, content: str, fields: dict[str, str], method: str = "POST") -> Answer:
    parts = [(f'name="{name}"', value.encode()) for name, value in fields.items()]
    return sent(asking, target, *parts, file_of("next", content.encode()), method=method)


def test_an_act_that_is_sent_a_file_is_signed_in_its_form_and_the_signature_is_over_the_file(devices: Asking) -> None:
    [carla] = with_keys(devices, "carla")
    path = written_by_hand(carla)
    first = NEXT_TARIFF.replace("NIGHT-2", "NIGHT").replace("2030-07-01", "2030-01-01")
    assert with_fields(carla, "/api/v1/ems/tariffs?site=plant", first, {}).status == 200
    texts = carla.project.project.site_texts_dir
    before, kept_before = path.read_text(), [*texts.glob("plant/*")]
    target = "/api/v1/ems/tariffs?site=plant&tariff=NIGHT&reason=new+prices"
    unsigned = with_fields(carla, target, NEXT_TARIFF, {}, "PATCH")
    assert code(unsigned) == (409, "no_key_here"), unsigned.text
    told = with_fields(carla, target, NEXT_TARIFF, {"ask_to_sign": "1"}, "PATCH")
    assert told.status == 200, told.text
    # Asked for its text, nothing is done: neither in the file nor beside it.
    assert (path.read_text(), [*texts.glob("plant/*")]) == (before, kept_before)
    fields = signed(carla, told.said)
    dearer = with_fields(carla, target, NEXT_TARIFF.replace("0.3", "0.9"), fields, "PATCH")
    assert code(dearer) == (412, "signed_other"), dearer.text
    assert path.read_text() == before
    told = with_fields(carla, target, NEXT_TARIFF, {"ask_to_sign": "1"}, "PATCH")
    done = with_fields(carla, target, NEXT_TARIFF, signed(carla, told.said), "PATCH")
    assert done.status == 200, done.text
    assert "NIGHT-2" in path.read_text()
    [kept] = PublicationStore(carla.project.store).signatures("plant/NIGHT")
    assert is_signed(kept)


SHELL = "from orchestration.cli.main import main; main()"
KILLED = """
import os, signal
from pathlib import Path
replace = Path.replace
def killed(path, to):
    return os.kill(os.getpid(), signal.SIGKILL) if path.name == ".NAME.yaml.part" else replace(path, to)
Path.replace = killed
"""


def killed(name: str) -> str:
    """Program text: the process dies where the file of that name was to take its place."""
    return KILLED.replace("NAME", name)


def added(carla: Asking, meter: str, program: str = SHELL) -> subprocess.CompletedProcess[str]:
    words = ["meters", "add", meter, "--site", "plant", "--as", "carla", "--reason", "new hall"]
    return shell(carla, *words, program=program)


def shell(carla: Asking, *words: str, program: str = SHELL) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *words, "--project", str(carla.project.project.root)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("is_edited", [False, True])
def test_an_act_that_was_killed_before_the_file_held_it_is_told_by_the_next(devices: Asking, is_edited: bool) -> None:
    [carla] = with_keys(devices, "carla")
    path = written_by_hand(carla)
    dead = added(carla, "hall_2", killed("plant") + SHELL)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    # The ledger has the act, the file has not.
    assert len(PublicationStore(carla.project.store).signatures("plant/hall_2")) == 1
    assert "hall_2" not in path.read_text()
    if is_edited:
        path.write_text(path.read_text() + "# by hand\n")
    told = added(carla, "hall_3")
    assert "meters add of plant/hall_2, signed by carla, was cut off before plant.yaml held it" in told.stderr
    assert ("edited since" in told.stderr) == is_edited
    assert told.returncode != 0
    assert (path.read_text().count("hall_2"), path.read_text().count("hall_3")) == (not is_edited, 0)
    # Told once; then the site goes on.
    again = added(carla, "hall_3")
    assert again.returncode == 0, again.stderr
    assert (path.read_text().count("hall_2"), path.read_text().count("hall_3")) == (not is_edited, 1)


def test_every_writer_of_a_site_file_finishes_the_act_that_was_killed_before_it(
    devices: Asking, tmp_path: Path
) -> None:
    [carla] = with_keys(devices, "carla")
    path = written_by_hand(carla)
    (tmp_path / "next.yaml").write_text(NEXT_TARIFF)
    (tmp_path / "energy.csv").write_text("Zeit;Wert\n2025-01-01 00:00;1.5\n2025-01-01 00:15;1.5\n")
    imported = ["tariff", "import", str(tmp_path / "next.yaml")]
    sniffed = ["sniff", str(tmp_path / "energy.csv"), "--meter", "main", "--unit", "kwh", "--tz", "UTC"]
    writers: dict[str, Callable[[], str]] = {
        "tariff import": lambda: shell(carla, *imported, "--site", "plant").stderr,
        "sniff": lambda: shell(carla, *sniffed, "--site", "plant", "--write").stderr,
        "page": lambda: posted(
            carla, "/settings/sites/plant", form={"text": path.read_text() + "# more\n", "seen": text_tag(path)}
        ).text,
    }  # fmt: skip
    for number, (name, writer) in enumerate(writers.items()):
        dead = added(carla, f"hall_{number}", killed("plant") + SHELL)
        assert dead.returncode == -signal.SIGKILL, dead.stderr
        told = writer()
        assert ("was cut off before plant.yaml held it" in told) or name == "page", told
        assert path.read_text().count(f"hall_{number}") == 1, name
        assert "# more" not in path.read_text()
