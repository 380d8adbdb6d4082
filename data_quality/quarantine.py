"""Why rows and files are refused: the closed list of reasons, and when so many are that somebody must look."""

from data_quality.contracts.finding import Verdict

ROW_REASONS: dict[str, str] = {
    "ambiguous_local_time": "One local time of a repeated hour, without its other pass or an offset",
    "bad_timestamp": "The time cannot be read",
    "duplicate_conflict": "Two values for one meter and time in one file",
    "field_count": "The line has another number of fields than the header",
    "future_timestamp": "The reading lies in the future",
    "implausible": "Larger than any meter can be",
    "incomplete_quarter": "Parts of a quarter hour are missing",
    "nonexistent_local_time": "A local time that summer time skips",
    "not_a_number": "The value is no finite number",
    "off_grid": "The interval does not fit quarter hours",
    "overlapping_interval": "The reading overlaps its neighbour",
    "unfinished_line": "The last line has no line end and may be cut",
    "unit_mismatch": "The unit is of another kind than the register's",
    "unknown_interval": "The length of the interval cannot be known",
    "unknown_meter": "The meter is not of the site",
    "unknown_register": "The meter has no such register",
    "unknown_unit": "The unit is not known",
}
FILE_REASONS: dict[str, str] = {
    "ambiguous_date": "Day and month cannot be told apart",
    "bad_encoding": "The text is not UTF-8",
    "bad_synthetic_flag": "The column is_synthetic holds something else than true or false",
    "directory": "A directory was given",
    "duplicate_column": "A column stands twice in the header",
    "empty_file": "The file has no bytes",
    "missing_column": "A column that is needed is missing",
    "mixed_synthetic": "Real and synthetic rows stand in one file",
    "no_header": "Line 1 is no header",
    "no_rows": "There is a header but no row",
    "no_such_file": "There is no such file",
    "no_zone": "Times without offset, and no zone is declared",
    "not_text": "The file is not text",
    "second_header": "A second header stands inside the file",
    "several_value_columns": "More than one column could be the value",
    "too_large": "The file unpacks to more than a meter file can hold",
    "truncated": "The file is cut or broken",
    "unknown_format": "The format is not known",
    "unknown_unit_column": "No column is named with a known unit",
    "wrong_zone": "The time zone does not exist",
}


def evaluate_rejects(*, accepted: int, rejected: int, reasons: dict[str, int], limit: float) -> Verdict:
    """Passed while the rejected share of all rows (0-1) is at most `limit`.

    Facts: accepted, rejected, share, reasons as "count reason: what it means", the commonest first.
    """
    total = accepted + rejected
    share = rejected / total if total else 0.0
    known = ROW_REASONS | FILE_REASONS
    ranked = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count} {code}: {known.get(code, 'unknown reason')}" for code, count in ranked]
    return Verdict(
        passed=share <= limit, facts={"accepted": accepted, "rejected": rejected, "share": share, "reasons": named}
    )
