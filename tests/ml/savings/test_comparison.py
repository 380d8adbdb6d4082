"""A saving beside sites without a measure: the band holds at its rate, the command prints it, misfits are named."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.kpi.claims.comparison_group import CorrectedSavings, GroupMember, corrected_savings
from assets.kpi.enpi.savings_band import two_sided_t
from ml.baselines.savings.comparison import Member, compared_group
from tests.ml.savings.group_held import Case, estate_of_bdg2, estate_of_cambridge
from tests.ml.savings.group_simulated import END, Trial, estate, trial
from tests.ml.savings.simulated import SPLIT, START, building
from tests.ml.savings.test_cli import data, folder, run

__all__ = ["folder"]
NORMAL = two_sided_t(0.9, 1e6)


def drawn(seed: int, *, members: int, drift: float, own: float, noise: float) -> CorrectedSavings:
    """A site that saves 10 % and a group, both under a shock of -15 %, by their relative savings alone."""
    rng = np.random.default_rng(seed)
    scatter = np.array([own, *rng.uniform(0.5, 1.5, members) * noise])
    shares = 0.15 + rng.normal(0, drift, members + 1) + rng.normal(size=members + 1) * scatter
    group = [
        GroupMember(name=f"s{place}", expected_kwh=100.0, actual_kwh=100 - 100 * share, uncertainty_kwh=100 * half)
        for place, (share, half) in enumerate(zip(shares[1:], scatter[1:] * NORMAL, strict=True))
    ]
    found = corrected_savings(
        group, expected_kwh=1000.0, savings_kwh=1000 * (shares[0] + 0.1), uncertainty_kwh=1000 * own * NORMAL,
        confidence=0.9,
    )  # fmt: skip
    assert isinstance(found, CorrectedSavings)
    return found


@pytest.mark.parametrize(
    ("case", "most"),
    [
        ({"members": 3, "drift": 0.02, "own": 0.02, "noise": 0.02}, 0.96),
        ({"members": 6, "drift": 0.02, "own": 0.02, "noise": 0.02}, 0.95),
        ({"members": 12, "drift": 0.05, "own": 0.02, "noise": 0.02}, 0.93),
        ({"members": 6, "drift": 0.0, "own": 0.04, "noise": 0.01}, 0.93),
        # Members whose models scatter more than the site's own: wide, never too narrow.
        ({"members": 6, "drift": 0.02, "own": 0.01, "noise": 0.04}, 1.0),
    ],
)
def test_the_band_holds_the_truth_at_its_rate_under_a_shock_of_all(case: dict[str, Any], most: float) -> None:
    found = [drawn(seed, **case) for seed in range(1500)]
    rate = np.mean([each.interval_kwh[0] <= 100.0 <= each.interval_kwh[1] for each in found])
    # Two standard errors of 1,500 draws are 1.5 %.
    assert 0.885 <= rate <= most
    assert np.mean([each.savings_kwh for each in found]) == pytest.approx(100.0, abs=4.0)


def test_fitted_buildings_beside_their_group_hold_what_the_plain_saving_misses() -> None:
    found: list[Trial] = [trial(seed) for seed in range(12)]
    # The shock of 12 % is in every plain saving and outside of every plain band.
    assert not any(each.plain_holds for each in found)
    assert np.mean([each.plain for each in found]) == pytest.approx(0.12, abs=0.02)
    # Of twelve at 90 %, fewer than eight would happen once in 250 times.
    assert sum(each.corrected_holds for each in found) >= 8
    assert abs(np.mean([each.corrected for each in found])) < 0.02


def test_members_that_cannot_be_compared_are_named_and_two_correct_nothing() -> None:
    from ml.baselines.models.fit import Fit, fit_usage
    from ml.baselines.savings.savings import Savings, savings

    made = estate(3, members=5)
    fit = fit_usage(made.own, start=START, end=SPLIT, model="heating_3p")
    assert isinstance(fit, Fit)
    found = savings(fit, made.own, report_start=SPLIT, report_end=END, measures=[SPLIT], resamples=0)
    assert isinstance(found, Savings)
    short = made.others[0].between(START, date(2023, 3, 1))
    bare = made.others[1].between(date(2022, 9, 1), END)
    members = [
        Member("led", made.others[2], [date(2023, 5, 1)]),
        Member("short", short),
        Member("bare", bare),
        Member("plain", made.others[3]),
        Member("other", made.others[4]),
    ]
    comparison = compared_group(fit, found, members, model="heating_3p")
    assert isinstance(comparison, tuple)
    assert [(each.code, each.scope) for each in comparison[1:]] == [
        ("member_has_measure", "member:led"),
        ("member_too_few_days", "member:short"),
        ("member_no_baseline", "member:bare"),
    ]
    assert str(comparison[0].message).startswith(
        "2 of 5 members of the comparison group can be compared and 3 are needed"
    )
    # A measure before both periods bars nobody.
    second = compared_group(fit, found, [*members[3:], Member("led", made.others[2], [date(2021, 5, 1)])], model="mean")
    assert isinstance(second, CorrectedSavings)
    assert len(second.members) == 3


def errors(found: list[Case]) -> np.ndarray:
    """(buildings, 4): error and half-width of the plain and of the corrected saving."""
    return np.array([each[1:] for each in found])


def holds(found: list[Case], place: int) -> int:
    """Number of bands that hold the tenth."""
    return int((abs(errors(found)[:, place]) <= errors(found)[:, place + 1]).sum())


def test_held_buildings_correct_each_other_in_the_year_of_the_epidemic(shared_data: Path) -> None:
    found = estate_of_cambridge(shared_data, 2020)
    assert len(found) == 14
    # A tenth saved reads as a quarter, in bands that hold it nowhere; beside the others it reads as about a tenth.
    assert holds(found, 0) <= 1
    assert holds(found, 2) >= 12
    plain, corrected = (np.median(abs(errors(found)[:, place])) for place in (0, 2))
    assert corrected < 0.5 * plain


def test_held_buildings_without_a_shock_keep_the_truth_in_a_wider_band(shared_data: Path) -> None:
    found = estate_of_bdg2(shared_data, "Fox")
    assert (len(found), holds(found, 2)) == (8, 8)
    assert all(each.corrected_half > each.plain_half for each in found)


def group_file(folder: Path, *, names: int = 4, more: str = "") -> Path:
    """A group of buildings that all use a twelfth less in the second year, beside the folder's own weather."""
    lines = ["members:"]
    for place in range(names):
        frame = building(5 + 4 * place, share=0.083, rho=0.2).usage.frame
        for column, header in (("energy_kwh", "kwh"), ("temp_degc", "temp_degc")):
            rows = frame.select("start_utc", column).iter_rows()
            text = "\n".join([f"timestamp,{header}", *(f"{row[0]:%Y-%m-%dT%H:%M:%SZ},{row[1]:.4f}" for row in rows)])
            (folder / f"m{place}_{header}.csv").write_text(text + "\n")
        lines.append(f"  - {{name: m{place}, energy: m{place}_kwh.csv, weather: m{place}_temp_degc.csv{more}}}")
    path = folder / "group.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_command_prints_the_corrected_saving_and_does_not_claim_what_all_saved(folder: Path) -> None:
    words = ["--comparison-group", str(group_file(folder)), "--measure", "2023-01-01", "--resamples", "0"]
    found = data(folder, *words)
    others = found["comparison_group"]
    assert [each["name"] for each in others["members"]] == ["m0", "m1", "m2", "m3"]
    assert others["savings_kwh"] == pytest.approx(found["savings_kwh"] - found["expected_kwh"] * others["group_share"])
    low, high = others["interval_kwh"]
    # The building's own tenth is 1.7 % more than what all of them saved.
    assert low <= 0.017 * found["expected_kwh"] <= high
    assert found["claimed_kwh"] is None
    assert "group_explains_saving" in {each["code"] for each in found["findings"]}
    output = run(folder, *words).stdout
    assert "against the comparison group:" in output
    assert "4 members saved +" in output
    assert data(folder, "--resamples", "0")["comparison_group"] is None


def test_a_group_whose_members_have_measures_is_a_weaker_answer_that_says_so(folder: Path) -> None:
    path = group_file(folder, more=", measures: [2023-02-01]")
    found = data(folder, "--comparison-group", str(path), "--measure", "2023-01-01", "--resamples", "0")
    codes = [each["code"] for each in found["findings"]]
    assert codes.count("member_has_measure") == 4
    assert "group_too_small" in codes
    assert found["comparison_group"] is None
    assert found["claimed_kwh"] == found["savings_kwh"]


def test_a_group_of_two_and_a_missing_file_are_refused_by_name(folder: Path) -> None:
    output = run(folder, "--comparison-group", str(group_file(folder, names=2)))
    assert output.exit_code == 2
    assert "a comparison group needs 3 members or more, it has 2" in output.output
    (folder / "twice.yaml").write_text("members:\n" + "  - {name: m0, energy: m0_kwh.csv}\n" * 3)
    assert "member 'm0' appears twice" in run(folder, "--comparison-group", str(folder / "twice.yaml")).output
    lost = group_file(folder, names=3).read_text().replace("m1_kwh", "lost")
    (folder / "lost.yaml").write_text(lost)
    output = run(folder, "--comparison-group", str(folder / "lost.yaml"))
    assert output.exit_code == 2
    assert "lost.csv" in output.output
