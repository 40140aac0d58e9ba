"""Kills at every stage of a run: what is finished is never made again, and the end is as if nothing was."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from prefect.states import State

from tests.orchestration.conftest import (  # noqa: F401 - fixtures
    bench,
    clean_home,
    environment,
    first_run,
    prefect_server,
    run_flow,
)
from tests.orchestration.jobs import CHANNEL, CONFIG, JOB, Bench, until
from tests.orchestration.kills import clips_done, run_until, status
from trivia_render import wiring
from trivia_render.storage.keys import manifest_key
from trivia_render.storage.local import LocalStore

pytestmark = pytest.mark.faults


def claimed(home: Path) -> bool:
    return status(home).get("state") == "running"


def working_on(home: Path, pattern: str) -> bool:
    """Whether the run has such a file in its scratch folder now."""
    try:
        return any((home / "tmp").rglob(pattern))
    except FileNotFoundError:  # a folder went while it was looked at
        return False


def run_while_it_cannot_publish(home: Path) -> int:
    """Kill a run that has uploaded all its files, at the write of the manifest."""
    shutil.rmtree(home / "tmp", ignore_errors=True)
    with LocalStore(home)._locks.hold(manifest_key(CHANNEL, JOB)):
        return run_until(home, lambda: any((home / "videos").rglob("thumbnail.jpg")))


def test_a_job_that_is_killed_at_every_stage_still_ends_with_its_video(
    run_flow: Callable[..., State[Any]],  # noqa: F811
    first_run: Any,  # noqa: F811
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    moments: list[Callable[[], bool]] = [
        lambda: claimed(home),
        lambda: working_on(home, ".clip.mp4*"),
        lambda: clips_done(home) == 1,
        lambda: clips_done(home) == 2,
        lambda: clips_done(home) == 3,
        lambda: working_on(home, "video-*/*.mp4"),
    ]
    records: dict[Path, int] = {}
    for moment in moments:
        # What the killed run left behind is not the next one's moment.
        shutil.rmtree(home / "tmp", ignore_errors=True)
        assert run_until(home, moment) == -signal.SIGKILL
        for record in (home / "clips").glob("*.json"):
            written = record.stat().st_mtime_ns
            assert records.setdefault(record, written) == written, f"{record.name} was rendered again"
    assert run_while_it_cannot_publish(home) == -signal.SIGKILL
    rest = Bench(home)
    wiring.use_ports(rest.ports)
    state = run_flow(CONFIG)
    assert state.is_completed(), state.message
    assert rest.rendered == []
    assert status(home)["attempt"] == len(moments) + 2
    video = state.result()["videos"][0]
    untouched = first_run.state.result()["videos"][0]
    assert (video["frames"], video["clip_keys"]) == (untouched["frames"], untouched["clip_keys"])
    with av.open(str(home / video["video"]["key"])) as file:
        assert sum(1 for _ in file.decode(video=0)) == video["frames"]


def servers(variables: dict[str, str]) -> list[int]:
    """Processes of embedded servers that were started with this environment."""
    mark = f"PREFECT_HOME={variables['PREFECT_HOME']}".encode()
    found = []
    for process in Path("/proc").iterdir():
        try:
            command, its_variables = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if b"embedded_server.py" in command and mark in its_variables.split(b"\0"):
            found.append(int(process.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_no_server_outlives_a_process_that_was_killed(environment: dict[str, str]) -> None:  # noqa: F811
    code = "from flows.embedded import prepare_prefect; prepare_prefect(); print('up', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert len(servers(environment)) == 1
        process.send_signal(signal.SIGKILL)
    until(lambda: servers(environment) == [] or None)
