"""Small neural network (scikit-learn) on shares of the level: a hidden layer, a net a fold, the forecast is their mean.

It is asked with numpy alone. Between two kinks of its units a net is a line, so what each input adds is exact.
"""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ml.features.matrix import Matrix
from ml.features.series import Index, Vector
from ml.forecasts.models.blend import FOLDS, BlendFitter, Learning

ALGORITHM = "neural_network"
_FILE = "nets.npy"
UNITS, EPOCHS, BATCH, PULL, PACE = 24, 60, 128, 1.0, 0.003
# An input beyond so many of its spreads is cut off: where nothing was learnt a line goes on for ever.
FURTHEST = 4.0


@dataclass(frozen=True)
class Nets:
    """centre, spread: of inputs. entry: nets × inputs × units, entry_bias, exit: nets × units, exit_bias: nets."""

    centre: Vector
    spread: Vector
    entry: Vector
    entry_bias: Vector
    exit: Vector
    exit_bias: Vector

    def predict(self, matrix: Matrix, hour: Index) -> Vector:
        """Mean of the nets."""
        found: Vector = np.mean(self._answer(self._scaled(matrix)), axis=0)
        return found

    def contributions(self, matrix: Matrix, hour: Index) -> tuple[Vector, Vector]:
        """Slope of each row's line times how far the input is from usual; the base is what is left."""
        scaled = self._scaled(matrix)
        found = np.zeros(scaled.shape)
        for entry, bias, leaving in zip(self.entry, self.entry_bias, self.exit, strict=True):
            found += scaled * (((scaled @ entry + bias > 0) * leaving) @ entry.T) / len(self.exit)
        return found, np.mean(self._answer(scaled), axis=0) - found.sum(axis=1)

    def importance(self) -> Vector:
        """Size of the ways from each input to the answer."""
        size = np.einsum("nfu,nu->f", np.abs(self.entry), np.abs(self.exit))
        share: Vector = size / max(float(size.sum()), 1e-300)
        return share

    def to_files(self) -> dict[str, bytes]:
        """All numbers in one array of NumPy, in the order of the fields."""
        stream = io.BytesIO()
        flat = np.concatenate([each.ravel() for each in vars(self).values()])
        np.save(stream, flat.astype("<f8"), allow_pickle=False)
        return {_FILE: stream.getvalue()}

    def _scaled(self, matrix: Matrix) -> Vector:
        """Distances from the centre in spreads; what is not known is usual."""
        return np.nan_to_num(np.clip((matrix.inputs - self.centre) / self.spread, -FURTHEST, FURTHEST))

    def _answer(self, scaled: Vector) -> list[Vector]:
        nets = zip(self.entry, self.entry_bias, self.exit, self.exit_bias, strict=True)
        return [np.maximum(scaled @ entry + bias, 0.0) @ leaving + last for entry, bias, leaving, last in nets]


class NetMethod:
    """Learns nets, a fold left out each time."""

    def learn(self, learning: Learning) -> tuple[Nets, Vector]:
        """The nets, and held-out answers: of each row by the net that has not seen its fold."""
        from sklearn.neural_network import MLPRegressor
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        inputs, weight = learning.matrix.inputs, learning.weight
        known = ~np.isnan(inputs)
        sums = np.maximum((known * weight[:, None]).sum(axis=0), 1e-300)
        centre = np.nansum(inputs * weight[:, None], axis=0) / sums
        spread = np.sqrt(np.nansum((inputs - centre) ** 2 * weight[:, None], axis=0) / sums)
        # What never moved says nothing, and must not be divided by.
        spread = np.where(spread > 1e-9 * np.maximum(np.abs(centre), 1.0), spread, np.inf)
        empty = np.zeros(0)
        scaled = Nets(centre, spread, empty, empty, empty, empty)._scaled(learning.matrix)
        usual, size = float(np.mean(learning.share)), max(float(np.std(learning.share)), 1e-12)
        target, nets = (learning.share - usual) / size, []
        for fold in range(FOLDS):
            others = np.flatnonzero(learning.fold != fold)
            net = MLPRegressor(
                hidden_layer_sizes=(UNITS,),
                alpha=PULL,
                batch_size=min(BATCH, len(others)),
                learning_rate_init=PACE,
                max_iter=EPOCHS,
                n_iter_no_change=EPOCHS,
                random_state=fold,
            )
            with _unfinished(), threadpool_limits(limits=1, user_api="blas"):
                net.fit(scaled[others], target[others], sample_weight=weight[others])
            (entry, leaving), (bias, last) = net.coefs_, net.intercepts_
            nets.append((entry, bias, leaving.ravel() * size, float(last[0]) * size + usual))
        part = Nets(centre, spread, *(np.array(each) for each in zip(*nets, strict=True)))
        held_out = np.array(part._answer(scaled))[learning.fold, np.arange(len(scaled))]
        return part, held_out

    def load(self, files: Mapping[str, bytes], names: tuple[str, ...]) -> Nets:
        """The nets that wrote these files."""
        flat, inputs = np.load(io.BytesIO(files[_FILE]), allow_pickle=False), len(names)
        shapes = [(inputs,), (inputs,), (FOLDS, inputs, UNITS), (FOLDS, UNITS), (FOLDS, UNITS), (FOLDS,)]
        ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
        return Nets(*(part.reshape(shape) for part, shape in zip(np.split(flat, ends), shapes, strict=True)))


@contextmanager
def _unfinished() -> Iterator[None]:
    """So many passes and no more are what keeps a net from learning noise: no warning."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


class NeuralNetworkFitter(BlendFitter):
    """Nets alone, blended with days alike."""

    algorithm = ALGORITHM

    def __init__(self) -> None:
        super().__init__(ALGORITHM, [NetMethod()])
