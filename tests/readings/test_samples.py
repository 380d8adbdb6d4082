"""Live samples in the lake: amounts of registers and pulses, means with coverage, and what is no reading."""

from datetime import timedelta
from pathlib import Path

import pytest

from assets.readings.ingest.ingest_file import IngestReport
from assets.readings.sniff_files import sniff_file
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.live.sample_line import SampleHead, micros, refusal_line, sample_line
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.site import Site
from tests.live.hall import QUARTER, drained, hall, register, sample
from tests.readings.rooms import Bench, plant

SAMPLE = Path(__file__).parent / "samples" / "samples_hall.txt"


def text(samples: list[Sample], *others: str, source: str = "hall", site: str = "plant") -> str:
    head = SampleHead(site, source, QUARTER, is_synthetic=False)
    return head.lines() + "".join(f"{line}\n" for line in [*map(sample_line, samples), *others])


def ingest_samples(
    bench: Bench, samples: list[Sample], *others: str, site: Site | None = None, name: str = "a"
) -> IngestReport:
    return bench.ingest(text(samples, *others), site=site or hall(), name=name)


def test_a_register_and_pulses_become_the_amount_of_the_quarter_hour(bench: Bench) -> None:
    report = ingest_samples(bench, [*register(0, 901), *register(0, 901, point="press/n", unit="count")])
    assert (report.verdict, report.new_rows, report.format) == ("accept", 2, "samples")
    assert (bench.values(), bench.values("press")) == ([0.9], [0.9])
    assert set(bench.lake.current("plant")["quality_code"]) == {QualityCode.RAW}


def test_quarter_hours_join_and_none_is_corrected(bench: Bench, tmp_path: Path) -> None:
    """Through the drain, as the collector does it: an hour, drained after each of its quarter hours."""
    corrected = 0
    for quarter in range(4):
        first = 900 * quarter
        # What the drain before had already, too.
        records = register(max(0, first - 900), first + 935)
        for path in drained(tmp_path, records, at_s=first + 935).files:
            corrected += bench.ingest(path, site=hall()).corrected_rows
    assert (bench.values(), corrected) == ([0.9] * 4, 0)


def test_what_came_late_completes_the_quarter_hour(bench: Bench, tmp_path: Path) -> None:
    temperatures = [sample("roof", at_s, 10 if at_s < 450 else 20, "degc") for at_s in range(0, 900, 10)]
    [path] = drained(tmp_path, temperatures[:60]).files
    report = bench.ingest(path, site=hall())
    assert report.warnings == {"partly_covered": 1}
    [late] = drained(tmp_path, temperatures[60:], at_s=2000).files
    assert bench.ingest(late, site=hall()).corrected_rows == 1
    assert bench.values("outdoor_degc", "value") == [15.0]
    # The file alone, read again, takes nothing of it back.
    assert bench.ingest(path, site=hall()).is_repeat


def test_a_mean_weighs_by_time_and_knows_what_it_covers(bench: Bench) -> None:
    # Ten seconds apart, silent for five minutes, then once a minute: 60 s each is all that a value holds.
    times = [*range(0, 300, 10), *range(600, 900, 60)]
    report = ingest_samples(bench, [sample("roof", at_s, 0 if at_s < 300 else 30, "degc") for at_s in times])
    [row] = bench.lake.current("plant").iter_rows(named=True)
    # 290 s and the 60 s after the last of them at 0; 300 s at 30, and 60 s before the first of them are not its.
    assert row["value"] == pytest.approx(30 * 300 / 650, abs=1e-9)
    assert (row["quality_code"], report.warnings) == (QualityCode.ESTIMATED_INTERPOLATED, {"partly_covered": 1})


def test_a_mean_of_too_little_is_none(bench: Bench) -> None:
    report = ingest_samples(bench, [*register(0, 901), sample("roof", 1, 20, "degc")])
    assert (report.reasons, bench.values("outdoor_degc", "value")) == ({"incomplete_quarter": 1}, [])


def test_amounts_are_of_the_interval_that_ends_when_they_are_told(bench: Bench) -> None:
    whole = [sample("sub/kwh", at_s, 0.1 * at_s, "kwh") for at_s in (301, 599, 902)]
    assert ingest_samples(bench, whole).verdict == "accept"
    assert bench.values("sub") == [pytest.approx(180.2)]
    assert bench.starts("sub") == [QUARTER]


def test_a_part_that_is_missing_is_told(bench: Bench) -> None:
    parts = [sample("sub/kwh", at_s, 1, "kwh") for at_s in (300, 900)]
    assert ingest_samples(bench, [*register(0, 901), *parts]).reasons == {"incomplete_quarter": 2}


def test_what_came_late_closes_what_was_refused_as_incomplete(bench: Bench, tmp_path: Path) -> None:
    """Parts of an amount and of a mean, each completed by another file; what is still incomplete stays open."""

    def is_open() -> list[tuple[str, str, int]]:
        found = bench.quarantine.items("plant", is_open=True)
        return [(each["kind"], each["reason"], each["row_count"]) for each in found]

    parts = [sample("sub/kwh", at_s, 1, "kwh") for at_s in (300, 600, 900)]
    warm = [sample("roof", at_s, 20, "degc") for at_s in range(0, 900, 10)]
    # Nothing but parts: refused whole.
    [first] = drained(tmp_path, parts[:1]).files
    assert bench.ingest(first, site=hall()).verdict == "reject"
    [second] = drained(tmp_path, [*register(0, 901), *warm[:5]], at_s=1000).files
    assert bench.ingest(second, site=hall()).reasons == {"incomplete_quarter": 2}
    refused = ("row", "incomplete_quarter", 1)
    assert is_open() == [("file", "incomplete_quarter", 1), refused, refused]
    [third] = drained(tmp_path, warm[5:], at_s=1100).files
    assert bench.ingest(third, site=hall()).reasons == {"incomplete_quarter": 1}
    # The mean is whole; the amount is refused once more, by the third file too.
    assert is_open() == [("file", "incomplete_quarter", 1), refused, refused]
    [last] = drained(tmp_path, parts[1:], at_s=1200).files
    assert bench.ingest(last, site=hall()).verdict == "accept"
    assert is_open() == []
    assert bench.values("sub") == [3.0]
    resolved = {each["resolved_by"] for each in bench.quarantine.items("plant", is_open=False)}
    assert len(resolved) == 2


def test_doubled_samples_count_once_and_are_told(bench: Bench) -> None:
    samples = [*register(0, 901), *(sample("sub/kwh", at_s, 1, "kwh") for at_s in (300, 600, 900))]
    second = [each._replace(received_utc=each.received_utc + timedelta(seconds=3)) for each in samples]
    report = ingest_samples(bench, samples + second)
    assert report.warnings == {"duplicate_rows": len(samples)}
    assert (bench.values(), bench.values("sub")) == ([0.9], [3.0])


@pytest.mark.parametrize(
    ("odd", "reason"),
    [
        (sample("main/wh", 30, 1)._replace(at_utc=QUARTER + timedelta(days=9)), "future_timestamp"),
        (sample("main/wh", 30, 1)._replace(at_utc=QUARTER.replace(year=1970)), "clock_suspect"),
        (sample("main/wh", 30.5, float("nan")), "not_a_number"),
        (sample("main/wh", 30.5, 5, quality="doubtful"), "device_doubts"),
        (sample("main/gone", 30, 5), "unknown_point"),
        (sample("main/wh", 30.5, 5, "m3"), "unit_mismatch"),
        (sample("sub/kwh", 400, 5, "kwh"), "off_grid"),
        (sample("sub/kwh", 300, -5, "kwh"), "negative_consumption"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_bad_sample_is_kept_with_its_reason_and_the_others_are_read(bench: Bench, odd: Sample, reason: str) -> None:
    report = ingest_samples(bench, [*register(0, 901), odd])
    assert (report.reasons, bench.values()) == ({reason: 1}, [0.9])
    [item] = bench.quarantine.items("plant", is_open=True)
    assert (item["reason"], item["line"]) == (reason, 904)


def test_a_message_that_held_no_value_is_kept_in_quarantine(bench: Bench) -> None:
    refusal = refusal_line("roof", micros(QUARTER) + 9_000_000, "no JSON at character 3", '{"a"')
    assert ingest_samples(bench, register(0, 901), refusal).reasons == {"refused_message": 1}
    [item] = bench.quarantine.items("plant", is_open=True)
    assert "no JSON at character 3" in item["message"]


def test_a_register_that_falls_and_returns_within_a_quarter_hour_is_seen(bench: Bench) -> None:
    states = register(0, 901)
    states[400] = states[400]._replace(value=17)
    report = ingest_samples(bench, states)
    assert (report.reasons, bench.values()) == ({"register_glitch": 1}, [0.9])


def test_a_reset_between_two_samples_breaks_the_amount(bench: Bench) -> None:
    states = [each if place < 400 else each._replace(value=place) for place, each in enumerate(register(0, 901))]
    report = ingest_samples(bench, states)
    assert report.reasons == {"register_decrease": 1}
    # What was counted since, and no more: of what the register held before, nobody can say how much was added.
    assert bench.values() == [0.5]
    assert set(bench.lake.current("plant")["quality_code"]) == {QualityCode.ESTIMATED_INTERPOLATED}


def test_what_is_made_up_is_flagged(bench: Bench) -> None:
    ingest_samples(bench, register(0, 901), site=hall(is_synthetic=True))
    assert bench.lake.current("plant")["is_synthetic"].all()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (text(register(0, 9), site="other"), "other_site"),
        (text(register(0, 9), source="yard"), "unknown_source"),
        (text([]), "no_rows"),
        (text(register(0, 9)).replace("quarter=2025", "quarter=x"), "no_header"),
        (text(register(0, 9)).replace("seq,", ""), "no_header"),
        (text(register(0, 9), "a,b,c,d,e,f,g,h,i,j,k"), "not_text"),
    ],
)
def test_a_file_that_cannot_be_used_is_held_whole_with_one_sentence(bench: Bench, message: str, reason: str) -> None:
    report = bench.ingest(message, site=hall(), name="x")
    assert (report.verdict, report.reasons) == ("reject", {reason: 1})
    assert report.message.count("\n") == 0


def test_a_point_that_the_site_file_learns_later_is_read_then(bench: Bench) -> None:
    file = bench.file(text([*register(0, 901), *register(0, 901, point="new", unit="kwh")]))
    before = hall()
    assert bench.ingest(file, site=before).reasons == {"unknown_point": 901}
    renamed = before.model_dump(mode="json")
    renamed["sources"][0]["points"][1]["point"] = "new"
    renamed["sources"][0]["points"][1]["what"] = "register"
    renamed["sources"][0]["points"][1]["value_per_pulse"] = None
    after = bench.ingest(file, site=Site.model_validate(renamed))
    assert (after.is_repeat, after.rejected_rows, bench.values("press")) == (False, 0, [900.0])


def test_without_a_site_a_file_says_what_its_points_told() -> None:
    report = sniff_file(SAMPLE)
    [channel] = report.channels
    assert (report.verdict, channel.meter, channel.unit, channel.reading) == (
        "quarantine",
        "main/wh",
        "wh",
        1_000_900.0,
    )


def test_another_site_has_no_such_source(bench: Bench) -> None:
    assert bench.ingest(SAMPLE, site=plant()).reasons == {"unknown_source": 1}
