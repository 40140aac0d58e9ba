"""Start a process that is nobody's child: `python -m trivia_render.fleet.detach start LOG STATE COMMAND…`.

Whoever ends a process ends its children with it. Between the two stands this one, which is gone by then. The
process writes down its own number before it becomes the command: at no moment does one run that no file
names.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil


def main() -> None:
    """Start the command in a session of its own, its output appended to the log."""
    step, log_file, state, *command = sys.argv[1:]
    if step == "become":
        draft = Path(f"{state}.{os.getpid()}")
        # Read as `local_processes.Running`.
        known = {"pid": os.getpid(), "created": psutil.Process().create_time()}
        draft.write_text(json.dumps({**known, "api_url": os.environ["PREFECT_API_URL"]}))
        draft.replace(state)
        try:
            os.execvp(command[0], command)  # noqa: S606 - a list of arguments, and no shell
        except OSError as error:
            sys.exit(f"{command[0]}: {error.strerror}")
    with Path(log_file).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "trivia_render.fleet.detach", "become", log_file, state, *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C and the end of this terminal are not for it.
            start_new_session=True,
        )
    sys.stdout.write(f"{process.pid}\n")
    # Its end is not this process's concern.
    process.returncode = 0


if __name__ == "__main__":
    main()
