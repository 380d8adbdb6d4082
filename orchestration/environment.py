"""Environment variables and collection of garbage for the length of a block, then as they were; and the variables of a
process that stays small.
"""

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

# Of a process that many ask and that is to stay small; allocators and polars read it once, when they are loaded. What a
# page took is given back at once (polars' allocator waits ten seconds, and while nobody asks for ever: all pages of the
# demo took 395 MB then, and take 240); four readers with two threads each, not with all cores.
SMALL = {
    "_RJEM_MALLOC_CONF": "narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0",
    "MALLOC_ARENA_MAX": "2",
    # Left alone they grow with what is freed, and what a large page took stays.
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "2",
}


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set the variables, and put back what stood there before. They are one per process: other threads see them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def loading() -> Iterator[None]:
    """Load modules: nothing of them is garbage, and a quarter of a start goes into looking for it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
