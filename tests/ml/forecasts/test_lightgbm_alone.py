"""LightGBM is loaded without what it does not need here, and nobody else notices."""

import subprocess
import sys
from pathlib import Path

BEGIN = """
import sys, threading
import numpy as np
from ml.forecasts.models import lightgbm_alone as module
"""
TREES = """
inputs = np.random.default_rng(3).normal(size=(500, 4))
parameters = {"num_threads": 1, "deterministic": True, "seed": 5, "verbosity": -1, "extra_trees": True}
data = lightgbm.Dataset(inputs, label=inputs @ [1, 2, 3, 4], params={"verbosity": -1})
print(lightgbm.train(parameters, data, num_boost_round=20).model_to_string())
"""


def output_of(code: str) -> str:
    """Output of a process of its own."""
    return subprocess.run([sys.executable, "-c", BEGIN + code], check=True, capture_output=True, text=True).stdout


def test_trees_are_the_same_to_the_last_digit_and_two_libraries_are_not_loaded() -> None:
    loaded = "print('LOADED', *{'sklearn', 'pandas'} & set(sys.modules))"
    alone, _, others = output_of(f"lightgbm = module.lightgbm_alone(){TREES}{loaded}").partition("LOADED")
    usual, _, usually = output_of(f"import lightgbm{TREES}{loaded}").partition("LOADED")
    assert (others.split(), sorted(usually.split())) == ([], ["pandas", "sklearn"])
    assert alone == usual
    assert alone.startswith("tree")


def test_what_is_withheld_is_found_afterwards_and_by_another_thread_meanwhile() -> None:
    assert (
        output_of(
            "with module._withheld():\n"
            "    other = threading.Thread(target=__import__, args=('sklearn.linear_model',))\n"
            "    other.start()\n"
            "    other.join()\n"
            "assert 'sklearn' in sys.modules and 'pandas' in sys.modules\n"
            "print(any(isinstance(each, module._NotInstalled) for each in sys.meta_path))"
        )
        == "False\n"
    )
    after = "lightgbm = module.lightgbm_alone()\nfrom sklearn.linear_model import Ridge\nimport pandas\n"
    assert output_of(after + "print(Ridge().fit(np.eye(2), [1, 2]).coef_.size, pandas.Series([1]).sum())") == "2 1\n"


def test_only_the_helper_imports_it() -> None:
    rooms = Path(__file__).parents[3] / "ml"
    importing = [path.name for path in rooms.rglob("*.py") if "import lightgbm\n" in path.read_text()]
    assert importing == ["lightgbm_alone.py"]
