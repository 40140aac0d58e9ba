"""When a task is tried again: only after an error that a retry can help."""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from trivia_render.errors import TriviaRenderError

#: Retries of a task, 2, 4 and 8 s apart on average, each wait spread by up to half of itself so that
#: many tasks that met the same fault do not come back at once.
RETRIES = 3
RETRY_DELAYS = exponential_backoff(backoff_factor=2)
RETRY_JITTER = 0.5


def can_help(task: Task[..., Any], task_run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 - Prefect's
    """Tell whether the error that a task failed with says that a retry can help."""
    return isinstance(state.data, TriviaRenderError) and state.data.retryable
