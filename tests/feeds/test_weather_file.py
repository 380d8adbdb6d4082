"""Tables of weather forecasts: several issues in a file, each in two times."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.feeds.weather_file import read_weather_file
from data_quality.contracts.errors import BadInput
from tests.feeds.documents import NOW, bright_sky, content, open_meteo

HEAD = "issued_at,timestamp,temp_degc,ghi_w_per_m2"
ROWS = [
    "2025-01-01T00:00Z,2025-01-01T00:00Z,1.5,0",
    "2025-01-01T00:00Z,2025-01-01T01:00Z,,",
    "2025-01-01T00:00Z,2025-01-01T03:00Z,2,5",
    "2025-01-01 06:00:00+01:00,2025-01-01T06:00:00+01:00,2,",
]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "weather.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_file_may_hold_several_issues_and_what_it_leaves_out_is_not_known(tmp_path: Path) -> None:
    first, second = read_weather_file(written(tmp_path, HEAD, *ROWS[::-1]))
    assert first.issued_at_utc == datetime(2025, 1, 1, tzinfo=UTC)
    assert first.values["temperature_degc"] == (1.5, None, None, 2.0)
    assert second.issued_at_utc == second.start_utc == datetime(2025, 1, 1, 5, tzinfo=UTC)
    assert second.values == {"temperature_degc": (2.0,)}
    assert {first.step_minutes, second.step_minutes} == {60}


def test_without_a_word_on_when_it_was_known_the_issue_counts_and_that_is_said(tmp_path: Path) -> None:
    (issue,) = read_weather_file(written(tmp_path, HEAD, ROWS[0]))
    assert (issue.available_at_utc, issue.labels) == (issue.issued_at_utc, ("available_as_issued",))
    later = read_weather_file(written(tmp_path, "available_at," + HEAD, "2025-01-01T04:00Z," + ROWS[0]))
    assert (later[0].available_at_utc.hour, later[0].labels) == (4, ())


def test_parquet_with_the_same_columns_is_equally_good(tmp_path: Path) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    hours = [start + timedelta(hours=n) for n in range(5)]
    frame = pl.DataFrame({"issued_at": [start] * 5, "timestamp": hours, "temp_degc": [1.0, 2, 3, 4, None]})
    frame.write_parquet(tmp_path / "weather.parquet")
    (issue,) = read_weather_file(tmp_path / "weather.parquet")
    assert issue.values["temperature_degc"] == (1.0, 2.0, 3.0, 4.0)
    frame.with_columns(pl.col("timestamp").dt.replace_time_zone(None)).write_parquet(tmp_path / "bare.parquet")
    with pytest.raises(BadInput, match="times of timestamp have no zone"):
        read_weather_file(tmp_path / "bare.parquet")


def test_a_document_is_told_from_a_table_by_its_content(tmp_path: Path) -> None:
    for document, source in ((open_meteo(), "open_meteo"), (bright_sky(0), "bright_sky")):
        (tmp_path / "any.txt").write_bytes(b"\xef\xbb\xbf" + content(document))
        assert read_weather_file(tmp_path / "any.txt")[0].source == source


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["a,b", "1,2"], "line 1: no column 'issued_at'; expected a document of Open-Meteo or Bright Sky, or a table"),
        ([HEAD + ",wind", ROWS[0] + ",1"], "line 1: unknown column 'wind'"),
        (["issued_at,timestamp", "2025-01-01T00:00Z,2025-01-01T00:00Z"], "line 1: no weather"),
        ([HEAD], "line 1: there are columns but no row"),
        ([HEAD, "2025-01-01T00:00,2025-01-01T00:00Z,1,1"], "line 2: issued_at: expected a time with offset"),
        ([HEAD, ROWS[0], "2025-01-01T00:00Z,2025-01-01T01:00Z,-999,1"], "line 3: temperature_degc: expected -90 to 60"),
        ([HEAD, ROWS[0], "2025-01-01T00:00Z,2025-01-01T01:00Z,warm,1"], "line 3: temperature_degc: expected -90"),
        ([HEAD, ROWS[0], "2025-01-01T00:00Z,2025-01-01T01:00Z,NaN,1"], "line 3: temperature_degc: expected -90"),
        ([HEAD, ROWS[0], ROWS[0]], "line 3: its time appears twice in one issue"),
        ([HEAD, *ROWS[:2], "2025-01-01T00:00Z,2025-01-01T02:30Z,1,1"], "steps of whole minutes on 1:00:00 throughout"),
        ([HEAD, "2025-01-01T00:00Z,2025-01-01T00:00Z,,"], "no cell holds any weather"),
        ([HEAD, "2025-01-01T00:00Z,2025-01-01T00:00Z,1,1,1,1"], "this cannot be read; expected a document"),
        ([HEAD + ",temperature_degc", ROWS[0] + ",1"], "this cannot be read; expected a document"),
        (
            ["available_at," + HEAD, "2024-12-31T23:00Z," + ROWS[0]],
            "line 2: available_at is before issued_at: weather cannot be known before it was issued",
        ),
    ],
)
def test_a_wrong_table_is_one_sentence_with_its_line(tmp_path: Path, lines: list[str], sentence: str) -> None:
    with pytest.raises(BadInput) as found:
        read_weather_file(written(tmp_path, *lines))
    assert sentence in str(found.value)


@pytest.mark.parametrize("text", [b"", b"\x00\x01", b"PAR1junk", b"{", b"\x1f\x8bjunk"])
def test_a_file_that_is_nothing_we_know_is_one_sentence(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "any").write_bytes(text)
    with pytest.raises(BadInput, match="expected a document of Open-Meteo or Bright Sky, or a table of issued_at"):
        read_weather_file(tmp_path / "any")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.csv: cannot be read: No such file"):
        read_weather_file(tmp_path / "none.csv")


def test_a_table_names_its_issues_itself(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="leave --issued out"):
        read_weather_file(written(tmp_path, HEAD, ROWS[0]), issued_at_utc=NOW)
