"""While a command works a person sees our lines alone, and on a terminal how far it is."""

import io
import logging
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli.frame import Call, Shared
from orchestration.cli.main import build_app
from orchestration.cli.terminal import LOG, Terminal


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
    """What libraries do while they work."""
    handler = logging.StreamHandler()
    log = logging.getLogger("some.library")
    log.addHandler(handler)
    log.warning("no handler of ours")
    log.removeHandler(handler)
    sys.stderr.write("10%|# | a bar\n")


def test_what_libraries_say_goes_to_the_projects_log_and_our_lines_to_the_terminal(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = Call(Shared(project_=project))
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
