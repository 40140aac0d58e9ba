"""Questions into job configs of so many questions each."""

from collections.abc import Sequence
from typing import Any

from trivia_render.models.config import Question


def to_job_configs(
    questions: Sequence[Question], *, channel: str, per_video: int, title: str | None = None
) -> list[dict[str, Any]]:
    """Return job configs in the questions' order; the last one may have fewer than `per_video`.

    With several configs each title ends in its number. The result holds only what differs from the
    defaults, and is the same for the same questions.
    """
    starts = range(0, len(questions), per_video)
    return [
        _job_config(
            questions[start : start + per_video],
            channel=channel,
            title=f"{title} {number}" if title and len(starts) > 1 else title,
        )
        for number, start in enumerate(starts, start=1)
    ]


def _job_config(questions: Sequence[Question], *, channel: str, title: str | None) -> dict[str, Any]:
    return {
        "channel": channel,
        "total_questions": len(questions),
        **({"title": title} if title else {}),
        "questions": [question.model_dump(mode="json", exclude_defaults=True) for question in questions],
    }
