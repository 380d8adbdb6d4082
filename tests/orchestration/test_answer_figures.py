"""Numbers of answers that no report holds: kept by their query, recomputed of the same files, refused of others."""

import hashlib
import json
import os
import random
import shlex
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from data_quality.contracts.time import FixedClock
from orchestration.cli.frame import TRACED, show
from orchestration.operations.answer import Answer
from orchestration.operations.answer_figures import unnamed_numbers
from orchestration.operations.operation import OPERATIONS, Call
from orchestration.operations.readings.quality import quality
from orchestration.operations.readings.sniff import StatedFileFacts, sniff
from tests.e2e.conftest import call, call_here
from tests.oracle.examples import COMMANDS, LeftOut
from tests.oracle.inputs import write_inputs

COMPARED = ("bill", "compare", "--tariff", "inputs/flat.yaml", "--tariff", "inputs/tariff.yaml", "--load")

OF_FILES = (
    "sniff", "quality", "plan", "bill", "bill compare", "carbon", "carbon chp", "baseline fit", "baseline savings",
    "dr baseline", "anomalies", "forecast run",
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, and files beside it."""
    write_inputs(tmp_path / "inputs")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "meterloom.yaml").write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "project"


def compared(project: Path) -> tuple[dict[str, str], float]:
    code, said, fault = call_here(*COMPARED, "inputs/energy.csv", "--tz", "Europe/Berlin", "--project", str(project))
    assert code == 0, fault
    return said["figure_ids"], said["tariffs"][0]["total"]


def test_a_number_of_plain_files_is_traced_in_another_process_and_from_another_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, total = compared(project)
    assert sorted(ids) == [f"/tariffs/{row}/{each}" for row in (0, 1) for each in ("above_cheapest", "total")]
    # The same question of the same files is the same number.
    assert compared(project)[0] == ids
    monkeypatch.chdir("/")
    code, told, fault = call("trace", ids["/tariffs/0/total"], "--project", str(project))
    assert code == 0, fault
    assert told["is_equal"] is True
    assert told["figure"]["value"] == told["recomputed"] == total
    assert [Path(each["id"]).name for each in told["inputs"]] == ["flat.yaml", "tariff.yaml", "energy.csv"]


def test_a_switch_that_is_off_is_in_the_command_by_its_other_name(project: Path) -> None:
    examples = COMMANDS["baseline fit"]
    assert not isinstance(examples, LeftOut)
    asked = shlex.split(f"baseline fit {examples[0]} --zero-is-use")
    code, said, fault = call_here(*asked, "--project", str(project))
    assert code == 0, fault
    told = call_here("trace", next(iter(said["figure_ids"].values())), "--project", str(project))[1]
    words = shlex.split(told["parameters"]["command"])
    assert "--zero-is-use" in words
    assert words[words.index("--tz") + 1] == "Europe/Berlin"
    assert told["is_equal"] is True


def test_numbers_drawn_from_twelve_commands_are_traced_with_value_inputs_and_command(project: Path) -> None:
    (project / "sites").mkdir()
    answers = {}
    for name in OF_FILES:
        examples = COMMANDS[name]
        assert not isinstance(examples, LeftOut)
        words = next(each for each in examples if "--site" not in each)
        code, said, fault = call_here(*shlex.split(f"{name} {words}"), "--project", str(project))
        assert code == 0, (name, fault)
        assert "figure_ids" in said, name
        answers[name] = said["figure_ids"]
    drawn = [(name, *each) for name, ids in answers.items() for each in ids.items()]
    for name, place, figure_id in random.Random(48).sample(drawn, 25):
        code, told, fault = call_here("trace", figure_id, "--project", str(project))
        assert (code, fault) == (0, ""), (name, place, fault)
        assert told["figure"]["value"] == told["recomputed"] is not None, (name, place)
        assert told["figure"]["path"] == place
        assert told["parameters"]["command"].startswith(f"meterloom {name} ")
        assert told["inputs"] or name == "carbon chp"
        for each in told["inputs"]:
            assert each["sha256"] == hashlib.sha256((project / each["id"]).read_bytes()).hexdigest(), (name, each)


def test_coefficients_rates_and_gaps_have_ids_and_what_files_state_has_none(project: Path) -> None:
    for name, wanted in (
        ("baseline fit", ("value", "standard_error", "r2", "cvrmse_g14", "ci_low", "p_value")),
        ("bill", ("rate",)),
        ("plan", ("gap", "bound", "wear")),
    ):
        examples = COMMANDS[name]
        assert not isinstance(examples, LeftOut)
        code, said, fault = call_here(*shlex.split(f"{name} {examples[0]}"), "--project", str(project))
        assert code == 0, fault
        by_name = {place.rpartition("/")[2]: each for place, each in said["figure_ids"].items()}
        for each in wanted:
            code, told, fault = call_here("trace", by_name[each], "--project", str(project))
            assert (code, told["is_equal"], told["figure"]["kpi"]) == (0, True, each), (name, each, fault)
        assert by_name.keys().isdisjoint({"coverage", "confidence", "limit", "solve_seconds", "n", "version"}), name


def test_an_id_that_is_over_or_of_nothing_is_refused_in_one_sentence(project: Path) -> None:
    (project / "sites").mkdir()
    known = compared(project)[0]["/tariffs/1/total"]
    answer = known.partition("-")[0]
    for unknown in (answer, f"{answer}-4", f"{answer}-x", f"{answer}-", "0" * 16, f"{'0' * 16}-0"):
        code, told, fault = call_here("trace", unknown, "--project", str(project))
        assert (code, told) == (2, None), unknown
        assert fault.count("\n") == 1
        assert f"no figure {unknown!r} is stored" in fault
    with closing(sqlite3.connect(project / "var" / "asked" / "figures.db")) as db, db:
        db.execute("update figures set until_s = 0")
    code, told, fault = call_here("trace", known, "--project", str(project))
    assert (code, told) == (2, None)
    assert "end 30 days after they were printed" in fault


def test_an_answer_of_more_numbers_than_reports_have_has_an_id_for_each_also_in_bare_series(project: Path) -> None:
    case = json.loads(Path("inputs/case.json").read_text())
    steps = {name: each * 50 for name, each in case.items() if isinstance(each, list) and len(each) == 12}
    Path("inputs/long.json").write_text(json.dumps(case | steps))
    code, said, fault = call_here("plan", "inputs/long.json", "--project", str(project))
    assert code == 0, fault
    assert len(said["series"]["import_kw"]) == 600
    assert len(said["figure_ids"]) > 5_000
    code, told, fault = call_here("trace", said["figure_ids"]["/series/import_kw/599"], "--project", str(project))
    assert (code, fault) == (0, "")
    assert told["figure"]["value"] == told["recomputed"] == said["series"]["import_kw"][599]
    assert (told["figure"]["kpi"], told["figure"]["unit"]) == ("import_kw", "kw")


def test_a_changed_file_or_a_file_that_is_gone_is_named(project: Path) -> None:
    ids, _ = compared(project)
    file = Path("inputs/flat.yaml")
    text = file.read_text()
    file.write_text(text.replace("0.", "1."))
    code, told, fault = call_here("trace", ids["/tariffs/0/total"], "--project", str(project))
    assert (code, told) == (2, None)
    assert "inputs/flat.yaml, which is another now: expected the file with SHA-256" in fault
    file.unlink()
    assert "which is gone now" in call_here("trace", ids["/tariffs/0/total"], "--project", str(project))[2]
    file.write_text(text)
    assert call_here("trace", ids["/tariffs/0/total"], "--project", str(project))[0] == 0


def test_without_a_project_nothing_is_kept_and_nothing_else_changes(project: Path) -> None:
    said = call_here(*COMPARED, "inputs/energy.csv", "--tz", "Europe/Berlin")[1]
    kept = call_here(*COMPARED, "inputs/energy.csv", "--tz", "Europe/Berlin", "--project", str(project))[1]
    assert set(kept) - set(said) == {"figure_ids", "figure_ids_until_utc"}
    assert {name: kept[name] for name in said} == said


def test_an_answer_stands_where_its_numbers_cannot_be_kept(project: Path) -> None:
    want = compared(project)[1]
    settings = project / "meterloom.yaml"
    nameless = os.fsdecode(b"inputs/en\xffergy.csv")
    Path("inputs/energy.csv").rename(nameless)
    for text in ("no_such_key: 1\n", "{}\n"):
        settings.write_text(text)
        code, said, fault = call_here(*COMPARED, nameless, "--tz", "Europe/Berlin", "--project", str(project))
        assert (code, said["tariffs"][0]["total"]) == (0, want), fault
        assert "figure_ids" not in said


def rewrite(project: Path, *changes: tuple[str, str]) -> None:
    with closing(sqlite3.connect(project / "var" / "asked" / "figures.db")) as db, db:
        for old, new in changes:
            db.execute("update figures set figure = replace(figure, ?, ?)", (old, new))


def test_a_number_of_a_command_of_another_release_says_so(project: Path) -> None:
    figure_id = compared(project)[0]["/tariffs/0/total"]
    for old, new in (("bill compare", "bill gone"), ("bill gone", "bill compare")):
        rewrite(project, (old, new), ('\\"tz\\"', '\\"clock\\"'))
        code, told, fault = call_here("trace", figure_id, "--project", str(project))
        assert (code, told) == (2, None)
        assert f"meterloom {new} of another release" in fault


def test_a_number_is_traced_wherever_its_command_stood_in_an_earlier_release(project: Path) -> None:
    figure_id = compared(project)[0]["/tariffs/0/total"]
    rewrite(project, ('"operation":', '"module":"orchestration.operations.gone","operation":'))
    code, told, _ = call_here("trace", figure_id, "--project", str(project))
    assert (code, "operations.gone" in str(told)) == (0, False), told


def test_a_long_answer_is_read_once_for_the_ids_that_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"figure_id": f"{row:016x}", "kwh": row} for row in range(60_000)]
    lines = "\n".join(f"{row} kWh of the line main" for row in range(60_000))
    for text, is_stopping in ((lines, True), (f"{lines}\nof [{59_999:016x}]", False)):
        begin = time.process_time()
        show(Answer({"rows": rows}, text=text), is_json=False)
        assert time.process_time() - begin < 5
        assert (TRACED in capsys.readouterr().out) == is_stopping


def test_a_trace_has_no_numbers_of_its_own_and_tells_no_number_before_it_was_made(project: Path) -> None:
    words = ("trace", compared(project)[0]["/tariffs/0/total"], "--project", str(project))
    assert "figure_ids" not in call_here(*words)[1]
    assert "was not made yet at --as-of" in call_here(*words, "--as-of", "2020-01-01T00:00:00Z")[2]


def test_what_a_command_writes_is_not_written_again_by_a_trace(project: Path) -> None:
    drawn = Path("inputs/case.lp")
    words = ("plan", "inputs/case.json", "--write-lp", str(drawn), "--project", str(project))
    _, said, _ = call_here(*words)
    drawn.unlink()
    assert call_here("trace", said["figure_ids"]["/objective"], "--project", str(project))[0] == 0
    assert not drawn.exists()


def test_no_act_is_repeated_for_the_sake_of_a_number() -> None:
    # Whatever else it may do, a command that somebody signs or that reaches a device is asked again by nobody.
    from importlib import import_module

    from orchestration.operations.answer_figures import may_repeat, may_repeat_in
    from orchestration.operations.commands import MODULES

    for module in {each for every in MODULES.values() for each in every}:
        import_module(f"orchestration.{module}")
    repeated = {
        each.name
        for held in OPERATIONS.values()
        for each in held
        if may_repeat(each) and each.takes and "as_of_" not in each.takes
    }
    assert {name for name in repeated if name.startswith(("dispatch", "devices", "keys", "migrate", "lake"))} == set()
    every = [each for held in OPERATIONS.values() for each in held if each.writes or each.keeps]
    again = {each.name for each in every if may_repeat_in(each)}
    # They keep figures of readings for a while, so that none of them begins beside an erasure.
    assert again == {
        "enpi", "advise list", "baseline project", "anomalies list", "bill list", "bill show", "carbon footprint",
        "carbon restate", "disclosure gaps", "trace",
    }  # fmt: skip
    assert {"dispatch stop", "weather fetch", "dr event advance", "grafana export"} & repeated == set()


def test_a_number_is_found_by_its_place_where_names_hold_strokes() -> None:
    said = {"a/b": {"cost": 1.0}, "rows": [{"kwh": 2, "figures": {"kwh": "0" * 16}}, {"kwh": 3}], "n": 4}
    assert dict(unnamed_numbers(json.loads(json.dumps(said)))) == {"/a~1b/cost": 1.0, "/rows/1/kwh": 3}


def test_numbers_of_a_series_are_measures_where_its_name_is_and_an_id_is_of_what_it_names_alone() -> None:
    said = {
        "figures": {"kwh": "0" * 16, "cost": ""}, "kwh": 1, "cost": 2, "claimed_kwh": 3, "interval_kwh": [4, None, 5],
        "costs": {"wear": 6, "why": None}, "savings": {"n": 7, "text": ""}, "hours": [8],
        "one": {"figure_id": "1" * 16, "value": 9, "band_kwh": [10], "parts": [{"kwh": 11}]},
    }  # fmt: skip
    want = {
        "/cost": 2, "/claimed_kwh": 3, "/interval_kwh/0": 4, "/interval_kwh/2": 5, "/costs/wear": 6,
        "/one/parts/0/kwh": 11,
    }  # fmt: skip
    assert dict(unnamed_numbers(said)) == want


def test_what_is_yet_to_come_is_told_by_the_clock_of_the_question(tmp_path: Path) -> None:
    # A trace asks again by the clock of then: by that of today a reading that was ahead would be one more.
    file, call_then = tmp_path / "meters.csv", Call(tmp_path)
    call_then.clock = FixedClock(datetime(2020, 1, 2, tzinfo=UTC))
    times = [f"2020-01-0{day}T{hour:02}:00:00Z" for day in (1, 5) for hour in range(24)]
    file.write_text("\n".join(["meter,timestamp,kwh", *(f"main,{at},1.5" for at in times)]))
    judged, sniffed = quality(call_then, energy=file, tz="UTC"), sniff(call_then, StatedFileFacts(), [file])
    assert judged.document["rejected_rows"] == {"future_timestamp": 24}
    assert sniffed.document["files"][0]["reasons"] == {"future_timestamp": 24}
