"""Pictures of bills whose answers are known: PDFs drawn at some dots an inch, with noise, or turned."""

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT

BILLS = ROOT.parent / "shared" / "data" / "bills"
needs_tesseract = pytest.mark.skipif(
    shutil.which("tesseract") is None or shutil.which("pdftoppm") is None,
    reason="letters of pictures are read by tesseract, pages drawn by pdftoppm; one of them is not installed here",
)


def drawn(pdf: Path, *, dpi: int = 200, noise: float = 0.0, turned: float = 0.0, seed: int = 1) -> Image.Image:
    """The first page of a PDF as a scanner sees it. noise: standard deviation of the grey, of 255; turned: degrees."""
    command = ["pdftoppm", "-r", str(dpi), "-png", "-gray", "-singlefile", str(pdf)]
    page = subprocess.run(command, capture_output=True, check=True).stdout
    picture = Image.open(io.BytesIO(page)).convert("L").rotate(turned, expand=True, fillcolor=255)
    grey = np.asarray(picture, dtype=float)
    grey = grey + np.random.default_rng(seed).normal(0.0, noise, grey.shape)
    return Image.fromarray(grey.clip(0, 255).astype("uint8"))
