"""While a command works a person sees our lines alone, and on a terminal how far it is."""

import ast
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from data_quality.contracts.text import spelled
from orchestration.cli.frame import Shared, ShellCall
from orchestration.cli.main import build_app
from orchestration.cli.terminal import LOG, Terminal
from tests.conftest import ROOT
from tests.syntax import parsed


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """As a terminal does."""
        return True


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh project made by `meterloom init`."""
    assert CliRunner().invoke(build_app(("init",)), ["init", str(tmp_path / "p")]).exit_code == 0
    return tmp_path / "p"


def chatter() -> None:
    """Output of libraries while they work."""
    handler = logging.StreamHandler()
    log = logging.getLogger("some.library")
    log.addHandler(handler)
    log.warning("no handler of ours")
    log.removeHandler(handler)
    sys.stderr.write("10%|# | a bar\n")


def test_what_libraries_say_goes_to_the_projects_log_and_our_lines_to_the_terminal(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ShellCall(Shared(project_=project))
    with call.terminal.alone(project, is_debug=False):
        chatter()
        call.say("ours")
        logging.getLogger("meterloom.stores").warning("the store was migrated")
    assert capsys.readouterr().err == "ours\nthe store was migrated\n"
    kept = (project / "var" / LOG).read_text()
    assert all(each in kept for each in ("no handler of ours", "a bar"))
    with call.terminal.alone(project, is_debug=True):
        chatter()
    assert "a bar" in capsys.readouterr().err
    # Outside of a project there is no place for it, and nothing is made.
    with Terminal().alone(project.parent, is_debug=False):
        chatter()
    assert capsys.readouterr().err == ""
    assert {each.name for each in project.parent.iterdir()} == {"p"}


def test_a_terminal_shows_one_line_with_the_part_and_the_time_and_elsewhere_each_text_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Terminal()
    plain.doing("kpi: months 2025", "loading", done=1, of=6)
    plain.doing("kpi: months 2025", "computing", done=2, of=6)
    plain.doing("reading a.csv", is_brief=True)
    plain.end()
    assert capsys.readouterr().err == "kpi: months 2025\n"
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    shown = Terminal()
    shown.doing("kpi: months 2025", "loading", done=1, of=6)
    shown.say("a warning [that] stays")
    shown.doing("kpi: months 2025", "computing", done=5, of=6)
    shown.end()
    said = screen.getvalue()
    assert "kpi: months 2025, computing" in said
    assert "left" in said
    assert "a warning [that] stays" in said
    # The line itself is taken away.
    assert said.rstrip("\n").endswith("\x1b[2K") or "\x1b[2K" in said[-40:]


ROOMS = ("assets", "controls", "data_quality", "ml", "orchestration", "reports")
# Latin-1 has ä and no Σ; the C locale of a bare machine has neither.
POOR = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def modules() -> list[Path]:
    """Every module of ours."""
    return [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]


def test_every_sign_of_our_own_texts_is_spelled_readably_and_of_a_name_nothing_is_lost() -> None:
    signs = {sign for path in modules() for sign in path.read_text(encoding="utf-8") if not sign.isascii()}
    unreadable = {sign for sign in signs if "\\" in spelled(sign) or not spelled(sign).isascii()}
    assert unreadable == set()
    assert spelled("Σ ≤ 5 − 3 → ½ € … Zähler №1") == "Sum <= 5 - 3 -> 1/2 EUR ... Zahler No1"
    assert spelled("計") == "\\u8a08"


@pytest.mark.parametrize("encoding", POOR)
def test_a_terminal_that_lacks_our_signs_is_shown_readable_ones_and_a_program_the_text_itself(
    encoding: str, tmp_path: Path
) -> None:
    (tmp_path / "m.csv").write_text(
        "timestamp,Σ → Ä [kWh]\n2025-01-01T00:00Z,1\n2025-01-01T00:15Z,1\n", encoding="utf-8"
    )

    def outputs_of(*words: str) -> tuple[int, str, str]:
        script = [str(Path(sys.executable).with_name("meterloom")), *words]
        done = subprocess.run(
            script, cwd=tmp_path, env={**os.environ, **POOR[encoding]}, capture_output=True, check=False
        )
        return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)

    code, text, error = outputs_of("sniff", "m.csv")
    assert (code, error) == (0, "")
    assert {"latin-1": "Sum -> Ä", "ascii": "Sum -> A"}[encoding] in text
    code, text, _ = outputs_of("sniff", "m.csv", "--json")
    assert "Σ → Ä" in json.dumps(json.loads(text), ensure_ascii=False)
    for words in (("--help",), ("sniff", "--help")):
        code, text, error = outputs_of(*words)
        assert (code, error, "\\u" in text) == (0, "", False)


def test_a_project_folder_whose_name_is_no_text_here_is_refused_with_what_to_do(project: Path) -> None:
    odd = project.rename(project.with_name("z\udce4hler"))
    for words in (["init", str(odd / "new")], ["doctor", "--project", str(odd)], ["next", "--project", str(odd)]):
        done = CliRunner().invoke(build_app((words[0],)), words)
        said = done.stdout + done.stderr
        assert done.exit_code in (1, 2), said
        assert "zähler has a name" in said or "zähler/new has a name" in said, said
        assert "set PYTHONUTF8=1 or a UTF-8 locale, or give the folder another name" in said
    assert not (odd / "new").exists()


def test_no_file_is_read_or_written_in_whatever_encoding_the_machine_prefers() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in modules()
        for node in ast.walk(parsed(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("read_text", "write_text")
        and len(node.args) <= (node.func.attr == "write_text")
        and not any(each.arg == "encoding" for each in node.keywords)
    ]
    assert found == []
