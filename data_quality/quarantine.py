"""Why rows and files are refused: the closed list of reasons, and when so many are that somebody must look."""

from data_quality.contracts.finding import Verdict

ROW_REASONS: dict[str, str] = {
    "ambiguous_local_time": "One local time of a repeated hour, without its other pass or an offset",
    "bad_interval": "An interval that is longer than any bill, or ends before it starts",
    "bad_timestamp": "The time cannot be read",
    "cancelled": "The message cancels values that were sent before",
    "clock_suspect": "The time of a clock that was never set",
    "crc_mismatch": "The checksum is not that of the telegram",
    "duplicate_conflict": "Two values for one meter and time in one file",
    "field_count": "The line has another number of fields than the header",
    "forecast_value": "A forecast, not a measurement",
    "future_timestamp": "The reading lies in the future",
    "garbled_lines": "Lines that were changed or broken on their way",
    "implausible": "Larger than any meter can be",
    "incomplete_quarter": "Parts of a quarter hour are missing",
    "quantity_count": "Another number of values than the period has intervals",
    "missing_read": "One of the two reads has no value",
    "negative_consumption": "A negative amount in a register that counts one way",
    "no_end_marker": "The telegram has no end",
    "no_interval": "A value without start and end, or without a period",
    "no_reading_type": "Unit and multiplier are not stated",
    "nonexistent_local_time": "A local time that summer time skips",
    "not_a_number": "The value is no finite number",
    "off_grid": "The interval does not fit quarter hours",
    "overlapping_interval": "The reading overlaps its neighbour",
    "quality_range": "Quality marks that do not cover the intervals they speak of",
    "register_decrease": "A register that falls: reset, exchanged or rolled over",
    "register_glitch": "A register's read that its neighbours contradict",
    "register_jump": "A register that rises by more than its meter can count",
    "register_read": "The state of a register alone, which is no amount",
    "synthetic_over_real": "A synthetic reading where a real one is known",
    "unfinished_line": "The last line has no line end and may be cut",
    "unit_kind_mismatch": "Unit and kind of the reading cannot be true together",
    "unit_mismatch": "The unit is of another kind than the register's",
    "unit_suspected": "The size says another unit: Wh under kWh, or far above the load or the meter's own history",
    "unknown_interval": "The length of the interval cannot be known",
    "unknown_meter": "The meter is not of the site",
    "unknown_qualifier": "A quantity of a kind that is not known",
    "unknown_register": "The meter has no such register",
    "unknown_unit": "The unit is not known",
    "unsupported_accumulation": "A kind of accumulation that is no amount, power or register",
}
FILE_REASONS: dict[str, str] = {
    "ambiguous_date": "Day and month cannot be told apart",
    "bad_count": "A trailer that counts with something else than a number",
    "bad_encoding": "The text is not UTF-8",
    "bad_identifier": "A meter or register name that no meter has",
    "bad_record": "A record that the format does not know in this place",
    "bad_segment": "A segment that the format does not know",
    "bad_service_string": "The service characters cannot be told apart",
    "bad_synthetic_flag": "The column is_synthetic holds something else than true or false",
    "directory": "A directory was given",
    "document": "A document, picture, archive or program: no meter file",
    "duplicate_column": "A column stands twice in the header",
    "empty_file": "The file has no bytes",
    "encrypted": "The workbook is encrypted",
    "interval_count": "Another number of values than the interval length needs",
    "line_too_long": "A line of more than 1 MiB",
    "missing_100": "The first record is missing",
    "missing_column": "A column that is needed is missing",
    "missing_unb": "The interchange has no header",
    "missing_unh": "A message without its header",
    "missing_unt": "A message without its end",
    "missing_unz": "The interchange has no end",
    "mixed_synthetic": "Real and synthetic rows stand in one file",
    "no_data": "A header and an end with nothing between them",
    "no_header": "Line 1 is no header",
    "no_rows": "There is a header but no row",
    "no_such_file": "There is no such file",
    "no_such_sheet": "The workbook has no such sheet",
    "no_zone": "Times without offset, and no zone is declared",
    "not_mscons": "A message of another kind",
    "not_text": "The file is not text",
    "not_well_formed": "The XML is cut or broken",
    "reader_stopped": "Reading took too much memory or time, or broke the reader: nothing was taken",
    "scale_slip": "Corrects a meter by a power of ten, as a wrong unit would: --accept-scale takes it",
    "second_header": "A second header stands inside the file",
    "several_value_columns": "More than one column could be the value",
    "shared_register": "Two channels for one register",
    "symlink": "A symbolic link was given",
    "too_large": "The file unpacks to more than a meter file can hold",
    "too_many_columns": "More columns than a meter file has",
    "truncated": "The file is cut or broken",
    "unknown_format": "The format is not known",
    "unknown_unit_column": "No column is named with a known unit",
    "unt_count": "Another number of segments than the message states",
    "wrong_reference": "A trailer of another message or interchange",
    "wrong_zone": "The time zone does not exist",
    "xml_entities": "The document declares XML entities",
    "xml_too_deep": "XML elements are nested too deep",
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
