"""The process of a flow run: Prefect's engine, which writes where the worker's main process writes.

`python -m trivia_render.workpool.engine`, named in `prefect.yaml`. Without a worker of ours around it, it is
Prefect's engine and nothing else.
"""

import runpy

from trivia_render.errors import BadInputError
from trivia_render.settings import load_settings
from trivia_render.workpool.output import take_output


def main() -> None:
    """Run the flow run that the environment names, to its end."""
    try:
        board = load_settings().worker_board
    except BadInputError:
        # The flow says what is wrong with the environment.
        board = None
    if board is not None:
        take_output(board)
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
