"""`make house`: the measures of the house, and the slowest tests of the last run."""

from tests.house import measures
from tests.seconds import slowest


def main() -> None:
    """Print every measure with its limit."""
    rooms = measures.lines_by_room()
    print(f"lines outside tests: {rooms.total():,} of code")
    for room, lines in rooms.most_common():
        print(f"  {lines:7,} {room}")
    _print("rooms out of their budgets", measures.over_budget(measures.lines_by_room((".py", ".sql"))))
    print(f"comments: {measures.comment_share():.1%} of Python lines (aim 3 %)")
    _print("modules over 25 imports of ours", [f"{count} {name}" for name, count in measures.broad().items()])
    _print("circles of files", [", ".join(each) for each in measures.circles_of_files()])
    _print("circles of folders", measures.circles_of_folders())
    _print("slowest tests of the last run here", [f"{seconds:6.1f} s {name}" for name, seconds in slowest()])


def _print(what: str, found: list[str]) -> None:
    print(f"{what}: {len(found)}")
    for each in found:
        print(f"  {each}")


if __name__ == "__main__":
    main()
