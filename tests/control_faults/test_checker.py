"""The checker by hand: every rule is seen to find its fault, and to leave alone what is right."""

from pathlib import Path

import pytest

from tests.control_faults.checker import Bounds, LedgerEnd, check
from tests.control_faults.history import History

BOUNDS = {"battery": Bounds(safe=0.0, low=-1.5, high=1.5, soc_min=10.0, soc_max=95.0)}
GOOD = [
    (0, "started", {"who": "a"}),
    (0, "mode", {"note": "PARTIAL"}),
    (0, "soc", {"device": "battery", "value": 50.0}),
    (1, "asked", {"key": "c1", "value": 1.2, "until_s": 100.0}),
    (2, "read", {"who": "a"}),
    (3, "sent", {"key": "c1", "value": 1.2, "until_s": 48.0, "who": "a", "epoch": 1}),
    (3, "applied", {"key": "c1", "value": 1.2, "until_s": 48.0, "who": "a", "epoch": 1}),
    (4, "read", {"who": "a"}),
    (4, "told", {"key": "c1", "note": "VERIFIED", "value": 1.2}),
    (18, "sent", {"key": "c1", "value": 1.2, "until_s": 63.0, "who": "a", "epoch": 1}),
    (18, "applied", {"key": "c1", "value": 1.2, "until_s": 63.0, "who": "a", "epoch": 1}),
    (20, "killed", {"who": "a"}),
]
ENDED = LedgerEnd(rows=[("k1", "REVERTED")])


def _history_of(lines: list[tuple[float, str, dict[str, object]]]) -> History:
    history = History()
    for at_s, kind, facts in lines:
        here = {} if kind in ("started", "killed", "mode", "clock", "nemesis", "mended") else {"device": "battery"}
        history.record(at_s, kind, **{**here, **facts})
    return history


def _with(at: int, **changes: object) -> list[tuple[float, str, dict[str, object]]]:
    lines = [(at_s, kind, dict(facts)) for at_s, kind, facts in GOOD]
    lines[at][2].update(changes)
    return lines


def test_a_good_history_has_no_finding() -> None:
    assert check(_history_of(GOOD), BOUNDS, ENDED) == []


SENT_AND_APPLIED = {"key": "c1", "value": 1.2, "until_s": 99.0, "who": "a", "epoch": 1}
BROKEN = {
    "followed past its window": (_with(10, until_s=103.0), "LATE battery followed c1 3.0 s after its window"),
    "followed what nobody asked": (_with(6, key="x"), "LATE battery followed x, which nobody asked for"),
    "sent after its window": ([*GOOD, (103, "sent", SENT_AND_APPLIED)], "FORBIDDEN c1 = 1.2 was sent to battery 3.0 s"),
    "outside its bounds": (_with(5, value=4.0), "FORBIDDEN c1 = 4 was sent to battery outside -1.5..1.5"),
    "another value than planned": (_with(5, value=1.1), "though nobody asked for it"),
    "in a lower mode": (_with(1, note="ADVISORY"), "in mode ADVISORY"),
    "past a latch": ([*GOOD[:4], (2, "latch", {"value": 1.0}), *GOOD[4:]], "past its latch"),
    "charging when full": (
        [(-70, "soc", {"value": 96.0}), *(line for line in GOOD if line[1] != "soc")],
        "to charge at 96 %",
    ),
    "sent past a hand": (
        [*GOOD[:2], (1, "hand", {"key": "h1", "value": 1.0, "until_s": 60.0}), *GOOD[2:]],
        "HANDS c1 was sent to battery, which h1 has by hand",
    ),
    "sent after it was given back": (
        [
            *GOOD[:4],
            (1, "hand", {"key": "c1", "value": 1.0, "until_s": 90.0}),
            *GOOD[4:9],
            (10, "hand", {"key": "c1", "value": 0.0}),
            *GOOD[9:],
        ],
        "HANDS c1 was sent to battery after it was given back",
    ),
    "sent again unread": ([*GOOD[:6], GOOD[5], *GOOD[6:]], "BLIND c1 was sent to battery again without a read"),
    "taken again": (
        [
            *GOOD,
            (21, "applied", {"key": "c2", "value": 1.0, "until_s": 30.0}),
            (22, "applied", {"key": "c1", "value": 1.2, "until_s": 30.0}),
        ],
        "REPEATED battery took c1 again after c2",
    ),
    "two in one epoch": (_with(9, who="b"), "RIVALS b and a both send in epoch 1"),
    "an old epoch": (_with(5, epoch=2), "RIVALS a sends in epoch 1 after epoch 2"),
    "no end of its own": (_with(10, until_s=90.0), "UNSAFE battery followed c1 for 72 s without being renewed"),
    "stands in a nemesis": (
        [
            *GOOD[:9],
            (5, "nemesis", {"note": "store gone"}),
            (40, "applied", {"key": "c1", "value": 1.2, "until_s": 85.0}),
        ],
        "UNSAFE battery followed c1 80 s into: store gone",
    ),
    "claimed of another": (_with(8, key="c2"), "CLAIMED c2 is told VERIFIED; battery follows c1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_finds_its_fault(name: str) -> None:
    lines, sentence = BROKEN[name]
    assert any(sentence in problem for problem in check(_history_of(lines), BOUNDS, ENDED))


@pytest.mark.parametrize(
    ("ledger", "sentence"),
    [
        (LedgerEnd(rows=[("k1", "ISSUED")]), "OPEN k1 stays ISSUED"),
        (LedgerEnd(rows=[("k1", "REVERTED"), ("k1", "EXPIRED")]), "KEYS k1 has 2 rows"),
        (LedgerEnd(chain=["event 3: its hash does not fit"]), "CHAIN event 3: its hash does not fit"),
    ],
)
def test_each_rule_of_the_ledger_finds_its_fault(ledger: LedgerEnd, sentence: str) -> None:
    assert check(_history_of(GOOD), BOUNDS, ledger) == [sentence]


def test_a_history_comes_back_from_its_file_and_a_half_written_line_is_left_out(tmp_path: Path) -> None:
    history = _history_of(GOOD)
    path = history.write(tmp_path / "history.jsonl")
    with path.open("a") as file:
        file.write('{"at_s": 21.0, "kin')
    assert History.read(path).events == history.events
