"""`meterloom trace` as a person reads it: the verdict first, then the inputs, then readings in words and local time."""

from typer.testing import CliRunner

from assets.stores.published.report_ledger import ReportStore
from orchestration.cli.main import build_app
from tests.reports.publish.conftest import MODULES, REVISION, Desk, MakeDesk, store_of


def trace(used: Desk, *words: str) -> tuple[int, list[str], str]:
    """Exit code, the lines on standard output and standard error."""
    result = CliRunner().invoke(build_app(MODULES), ["trace", *words, "--project", str(used.folder)])
    return result.exit_code, result.stdout.splitlines(), result.stderr


def test_a_trace_says_the_verdict_first_and_its_readings_in_words_and_local_time(desk: MakeDesk) -> None:
    used = desk()
    store = store_of(used)
    figures = {each.path: each.figure_id for each in ReportStore(store).figures(REVISION[:-2], 1)}
    store.close()
    code, lines, error = trace(used, figures["seu/moulding/2025-02/actual_kwh"], "--rows", "--versions")
    assert code == 0, error
    assert lines[0].startswith("recomputed equal: ")
    assert lines[0].endswith(" kWh")
    assert "2025-02-01 to 2025-02-28 (local days)" in lines[1]
    assert lines[4].split()[:3] == ["input", "what", "id"]
    assert "made today it would be the same" in lines
    head = next(place for place, line in enumerate(lines) if line.startswith("meter "))
    assert "from (Europe/Berlin)" in lines[head]
    assert lines[head + 1].split()[:6] == ["moulding", "import", "2025-02-01", "00:00", "CET", "15"]
    assert "plant.csv:" in lines[head + 1]
    assert trace(used, figures["site/cost"], "--as-of", "2001-01-01T00:00:00Z")[0::2] == (
        2,
        f"figure {figures['site/cost']} was not made yet at --as-of: it is of 2025-04-02 12:00:00Z\n",
    )
