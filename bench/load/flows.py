"""What the workers of a load test start: the real flows, over rendering that only waits.

`bench.load.flows.render_batch` is the deployment's entrypoint. The store is the folder of TRIVIA_HOME.
"""

import os
from dataclasses import replace

from bench.load.stub import BucketNames, install
from flows.render_batch import render_batch
from trivia_render.pipeline.log_report import LogReport
from trivia_render.settings import load_settings
from trivia_render.wiring import make_ports, use_ports

__all__ = ["render_batch"]

#: How long a clip takes, from the worker's environment.
CLIP_SECONDS = "BENCH_CLIP_SECONDS"


def prepare() -> None:
    """Make this process's flows wait where they would render."""
    install(clip_seconds=float(os.environ[CLIP_SECONDS]))
    settings = load_settings()
    store = BucketNames(settings.data_folder.absolute())
    use_ports(replace(make_ports(settings, report=LogReport()), store=store, work_store=store))


if CLIP_SECONDS in os.environ:
    prepare()
