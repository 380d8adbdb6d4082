"""Separate models for parts of the rows, by type of day or by lead time: another way of learning for the same blend.

A part of which too few days are known is answered by a model of all rows. Which rows form a part is told by the matrix
alone, so that a stored model finds them again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ml.features.matrix import Matrix
from ml.features.series import Index, Vector
from ml.forecasts.models.blend import Learning, Mask, Method, Part

By = Literal["day_type", "lead"]
# Rows of fewer days than this are learnt together with all others: four weeks have eight days off, a quarter has 26.
MIN_PART_DAYS = 26
# Parts of the day ahead by lead; each further day is one more.
BLOCKS = 4
_FILE, _WHOLE = "parts.json", "whole"


def parts_of(matrix: Matrix, by: By, per_day: int) -> Index:
    """The part of each row. day_type: 0 workday, 1 weekend or holiday. lead: six hours of the first day, then days."""
    if by == "day_type":
        off: Index = (matrix.inputs[:, matrix.names.index("day_type")] > 0).astype(np.int64)
        return off
    first = (matrix.lead - 1) * BLOCKS // per_day
    found: Index = np.where(matrix.lead <= per_day, first, BLOCKS - 1 + (matrix.lead - 1) // per_day).astype(np.int64)
    return found


@dataclass(frozen=True)
class PartedPart:
    """A point model a part. of_part: by number of the part, with its share of the rows; whole: for all other parts."""

    by: By
    per_day: int
    of_part: Mapping[int, tuple[Part, float]]
    whole: Part | None

    def predict(self, matrix: Matrix, hour: Index) -> Vector:
        """The share of each row; never NaN."""
        found: Vector = np.empty(len(hour))
        for part, rows in self._parts_with_rows(matrix):
            found[rows] = part.predict(matrix.where(rows), hour[rows])
        return found

    def contributions(self, matrix: Matrix, hour: Index) -> tuple[Vector, Vector]:
        """Contributions in the model that answers a row."""
        found, base = np.zeros(matrix.inputs.shape), np.zeros(len(hour))
        for part, rows in self._parts_with_rows(matrix):
            found[rows], base[rows] = part.contributions(matrix.where(rows), hour[rows])
        return found, base

    def importance(self) -> Vector:
        """Mean of the parts' shares by their rows."""
        own = [(part.importance(), share) for part, share in self.of_part.values()]
        if self.whole is not None:
            own.append((self.whole.importance(), max(1.0 - sum(share for _, share in own), 0.0)))
        total: Vector = np.sum([weight * share for weight, share in own], axis=0)
        return total

    def to_files(self) -> dict[str, bytes]:
        """Files of each part, under its number, and one document that names them."""
        shares = {str(number): share for number, (_, share) in self.of_part.items()}
        document = {"by": self.by, "per_day": self.per_day, "shares": shares, "whole": self.whole is not None}
        files = {_FILE: json.dumps(document, sort_keys=True).encode()}
        named = {f"p{number}": part for number, (part, _) in self.of_part.items()}
        for name, part in (named | ({_WHOLE: self.whole} if self.whole else {})).items():
            files |= {f"{name}_{file}": content for file, content in part.to_files().items()}
        return files

    def _parts_with_rows(self, matrix: Matrix) -> list[tuple[Part, Mask]]:
        number = parts_of(matrix, self.by, self.per_day)
        # Of a lead that was never learnt the furthest that was stands for it; of a day type all rows together do.
        furthest = max(self.of_part, default=0)
        number = np.minimum(number, furthest) if self.whole is None else number
        masks = [(part, number == each) for each, (part, _) in self.of_part.items()]
        if self.whole is not None:
            masks.append((self.whole, ~np.isin(number, list(self.of_part))))
        return [(part, rows) for part, rows in masks if rows.any()]


class PartedMethod:
    """Learns a method's part for each part of the rows."""

    def __init__(self, method: Method, by: By) -> None:
        self.method, self.by = method, by

    def learn(self, learning: Learning) -> tuple[PartedPart, Vector]:
        """The parts, and what each row's model says of it without that row's fold."""
        # Steps of a day: the day ahead is learnt by itself, and what follows it from its second day on.
        lead = learning.matrix.lead
        per_day = int(lead.max()) if lead.min() == 1 else int(lead.min()) - 1
        number, day = parts_of(learning.matrix, self.by, per_day), learning.matrix.step // per_day
        counts = {int(each): number == each for each in np.unique(number)}
        learnt = {each: rows for each, rows in counts.items() if len(np.unique(day[rows])) >= MIN_PART_DAYS}
        predicted, of_part = np.empty(len(number)), dict[int, tuple[Part, float]]()
        whole = None
        if len(learnt) < max(len(counts), 2 if self.by == "day_type" else 1):
            whole, predicted = self.method.learn(learning)
        for each, rows in learnt.items():
            part, predicted[rows] = self.method.learn(
                Learning(
                    matrix=learning.matrix.where(rows),
                    share=learning.share[rows],
                    weight=learning.weight[rows],
                    fold=learning.fold[rows],
                    hour=learning.hour[rows],
                )
            )
            of_part[each] = part, float(rows.mean())
        return PartedPart(self.by, per_day, of_part, whole), predicted

    def load(self, files: Mapping[str, bytes], names: tuple[str, ...]) -> PartedPart:
        """The parts that wrote these files."""
        stored = json.loads(files[_FILE])

        def one(name: str) -> Part:
            own = {file.removeprefix(f"{name}_"): each for file, each in files.items() if file.startswith(f"{name}_")}
            return self.method.load(own, names)

        of_part = {int(number): (one(f"p{number}"), share) for number, share in stored["shares"].items()}
        return PartedPart(stored["by"], stored["per_day"], of_part, one(_WHOLE) if stored["whole"] else None)
