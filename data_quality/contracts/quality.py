"""Quality codes of a reading: the ESPI enumeration itself, so that an exchange needs no mapping."""

from enum import IntEnum


class QualityCode(IntEnum):
    """ESPI 4.0 ReadingQuality. Source: formulas 5.14."""

    # Numbers are ESPI's: those between belong to meanings that no reading here has, and are not free.
    VALID = 0
    MANUALLY_EDITED = 7
    ESTIMATED_REFERENCE_DAY = 8
    ESTIMATED_INTERPOLATED = 9
    QUESTIONABLE = 10
    DERIVED = 11
    PROJECTED = 12
    RAW = 14
    WEATHER_NORMALISED = 15
    VALIDATED = 17
    VERIFIED = 18
    REVENUE_QUALITY = 19


ESTIMATED_CODES = frozenset({QualityCode.ESTIMATED_REFERENCE_DAY, QualityCode.ESTIMATED_INTERPOLATED})
# Of several codes that are true of one reading, the first is the one to tell.
WORST_FIRST = (
    QualityCode.QUESTIONABLE, QualityCode.PROJECTED, QualityCode.ESTIMATED_INTERPOLATED,
    QualityCode.ESTIMATED_REFERENCE_DAY, QualityCode.WEATHER_NORMALISED, QualityCode.DERIVED,
    QualityCode.MANUALLY_EDITED, QualityCode.RAW, QualityCode.VALID, QualityCode.VALIDATED, QualityCode.VERIFIED,
    QualityCode.REVENUE_QUALITY,
)  # fmt: skip
