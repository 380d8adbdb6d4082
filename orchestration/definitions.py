"""Definitions for Dagster. Everything is put together in build.py."""

import sys

from orchestration.build import build_defs
from orchestration.instance.one_scheduler import need_gate

need_gate(sys.argv)
defs = build_defs()
