"""Render one clip. Its result is kept by clip key, so that any run of any job can take it over."""

from datetime import timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.context import TaskRunContext

from tasks.results import PLAIN_JSON
from tasks.retries import RETRIES, RETRY_DELAYS, RETRY_JITTER, can_help
from trivia_render.models.plan import ClipSpec
from trivia_render.pipeline import clip
from trivia_render.pipeline.ports import Ports


def _cache_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:  # noqa: ARG001 - Prefect's
    # Also the name of the result's object. v1: the form of the result below.
    return f"v1/clips/{parameters['spec'].key}.json"


@task(
    name="render_clip",
    task_run_name="{job} {spec.label}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS,
    retry_jitter_factor=RETRY_JITTER,
    retry_condition_fn=can_help,
    cache_policy=CacheKeyFnPolicy(cache_key_fn=_cache_key),
    # A day less than the clips themselves are kept.
    cache_expiration=timedelta(days=6),
    persist_result=True,
    result_serializer=PLAIN_JSON,
)
def render_clip(spec: ClipSpec, *, ports: Ports, job: str) -> dict[str, Any]:  # noqa: ARG001 - in the name
    """Render the clip unless the store has it; return its `ClipResult` as JSON."""
    return clip.render_clip(ports, spec).model_dump(mode="json")
