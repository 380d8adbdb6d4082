"""The synthetic sites of the bench of scale, and the table that the docs show of it."""

from pathlib import Path

from assets.sites.load_sites import load_site
from tests.bench.scale_bench import exponents, page
from tests.bench.scale_world import FIRST, month_files, site_text


def test_the_same_seed_gives_the_same_bytes_and_the_site_says_that_it_is_simulated(tmp_path: Path) -> None:
    text = tmp_path / "scale.yaml"
    text.write_text(site_text(120, 1))
    site = load_site(text)
    assert site.is_simulated
    assert (len(site.seus), len(site.forecast_targets)) == (120, 2)
    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        made.append([path.read_bytes() for path in month_files(folder, 3, FIRST, 7)])
    assert made[0] == made[1]
    # A header and a row a meter and quarter hour.
    assert made[0][1].count(b"\n") == 1 + 3 * 31 * 96


def test_the_table_says_what_was_not_measured() -> None:
    def step(cpu_s: float, code: int = 0) -> dict[str, object]:
        return {"cpu_s": cpu_s, "peak_mib": 300, "files": 1, "bytes": 2_000_000, "exit": code}

    sizes = {200: {"ingest": step(2), "fit": step(10), "kpis": step(3)}, 400: {"ingest": step(3), "fit": step(20)}}
    sizes[400]["kpis"] = step(9, -9)
    powers = exponents(sizes)  # type: ignore[arg-type]
    assert powers == {"ingest": {"200-400": 0.58}, "fit": {"200-400": 1.0}}
    text = page({"machine": "two cores", "months": 1, "sizes": sizes, "exponents": powers})
    assert "| 1,000 (extrapolated) |" in text
    # In proportion at least, though ingestion grew by less.
    assert "| ingest | 2.0 s, 300 MiB | 3.0 s, 300 MiB | 8 s |" in text
    assert "| fit | 10.0 s, 300 MiB | 20.0 s, 300 MiB | 50 s |" in text
    assert "| kpis | 3.0 s, 300 MiB | not measured | not measured |" in text
