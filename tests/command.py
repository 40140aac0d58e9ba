"""The command `trivia` as processes of their own, without the seconds that each would spend on imports.

One process imports what commands import, and forks for each call. The command itself starts as
`python -m trivia_render` does: arguments, environment, folder and standard streams are the call's own.
`import prefect` reads the environment, so that only a process that has its final one may import it before.
"""

import atexit
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_STREAMS = ("stdin", "stdout", "stderr")
_LIBRARY = ("trivia_render.cli.app", "trivia_render.pipeline.run", "trivia_render.wiring")
#: What else commands import that talk to a server and a bucket.
_CLIENTS = (
    "prefect.client.orchestration",
    "trivia_render.workpool.submission",
    "trivia_render.storage.gcs",
)


def trivia(
    *args: str, stdin: str = "", cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command with this process's environment and what is given beside it."""
    return _library().run(
        *args, stdin=stdin, cwd=cwd, environment={**os.environ, "NO_COLOR": "1", **environment}
    )


@cache
def _library() -> "Commands":
    commands = Commands(_LIBRARY, environment=os.environ)
    atexit.register(commands.close)
    return commands


def commands_of_a_fleet(environment: Mapping[str, str]) -> "Commands":
    """Return commands which all talk to the server that the environment names."""
    return Commands((*_LIBRARY, *_CLIENTS), environment=environment)


class Commands:
    """The process that forks. It ends with its standard input, so with whoever started it."""

    def __init__(self, modules: tuple[str, ...], *, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.command", *modules],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *args: str, environment: Mapping[str, str], stdin: str = "", cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `trivia` with the arguments, to its end."""
        with tempfile.TemporaryDirectory(prefix="trivia-command-") as name:
            files = {stream: Path(name, stream) for stream in _STREAMS}
            files["stdin"].write_text(stdin, encoding="utf-8")
            call = {
                "args": args,
                "cwd": str(cwd or Path.cwd()),
                "environment": dict(environment),
                "files": {stream: str(path) for stream, path in files.items()},
            }
            code = self._ask(json.dumps(call))
            told = [files[stream].read_text(encoding="utf-8") for stream in ("stdout", "stderr")]
        return subprocess.CompletedProcess(["trivia", *args], code, *told)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _ask(self, call: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{call}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _serve(modules: list[str]) -> None:
    """Fork for each call that standard input names; print its exit code, or the signal that ended it."""
    from flows.embedded import quiet_prefect

    # As the commands do before they import Prefect.
    quiet_prefect()
    for module in modules:
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _be_the_command(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _be_the_command(call: Mapping[str, Any]) -> None:
    code = 1
    try:
        os.environ.clear()
        os.environ.update(call["environment"])
        os.chdir(call["cwd"])
        for number, stream in enumerate(_STREAMS):
            flags = os.O_RDONLY if stream == "stdin" else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            opened = os.open(call["files"][stream], flags)
            os.dup2(opened, number)
            os.close(opened)
        sys.stdin = open(0, encoding="utf-8")  # noqa: SIM115 - descriptors, which end with the process
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
        sys.argv = ["trivia", *call["args"]]
        try:
            runpy.run_module("trivia_render", run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does: it is told, and the exit code is 1
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # What belongs to the process that forked is not ended here.
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1:])
