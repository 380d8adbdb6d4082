"""Rendering again gives the same bytes: in another process, another language, another zone, with other hashes."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

from reports.make_report import RENDERERS
from reports.report_content import ReportContent
from tests.reports.conftest import World

CODE = """
import hashlib, json, sys
from pathlib import Path
from reports.report_content import ReportContent
from reports.make_report import RENDERERS
content = ReportContent.model_validate_json(Path(sys.argv[1]).read_bytes())
print(json.dumps({name: hashlib.sha256(render(content)).hexdigest() for name, render in RENDERERS.items()}))
"""
ROOT = Path(__file__).resolve().parents[2]


def test_other_processes_render_the_same_bytes(good: World, tmp_path: Path) -> None:
    content = good.build(1)
    kept = tmp_path / "content.json"
    kept.write_text(content.model_dump_json(), encoding="utf-8")
    assert ReportContent.model_validate_json(kept.read_bytes()) == content
    wanted = {name: hashlib.sha256(render(content)).hexdigest() for name, render in RENDERERS.items()}
    for seed, zone, language in (("1", "Asia/Tokyo", "C"), ("77", "America/St_Johns", "de_DE.UTF-8")):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
        environment |= {"PYTHONHASHSEED": seed, "TZ": zone, "LANG": language, "LC_ALL": language}
        done = subprocess.run(
            [sys.executable, "-c", CODE, str(kept)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == wanted, (seed, zone, language)
