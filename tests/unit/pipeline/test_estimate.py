"""How much a batch will have spoken and rendered."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from trivia_render.errors import BadInputError
from trivia_render.fleet.quote import JobSize
from trivia_render.models.batch import read_batch
from trivia_render.models.config import JobConfig
from trivia_render.models.parse import parse_job_config
from trivia_render.pipeline.estimate import job_sizes
from trivia_render.pipeline.plan import plan_contents
from trivia_render.speech.ssml import billed_characters, document, pack
from trivia_render.speech.text import sentences

EXAMPLE = Path(__file__).parents[3] / "examples" / "ten_questions.json"
CONFIG: dict[str, Any] = {
    "channel": "quiz",
    "total_questions": 2,
    "tts_voice": "en-US-Neural2-F",
    "questions": [
        {"question": f"Is it {number}?", "answer_a": "Yes", "answer_b": "No", "correct_answer": "Yes"}
        for number in range(2)
    ],
}


def sizes(*configs: dict[str, Any], google_credentials: bool = True) -> list[JobSize]:
    jobs, bad = read_batch("\n".join(map(json.dumps, configs)).encode(), name="batch")
    assert bad == []
    return list(job_sizes(jobs, google_credentials=google_credentials))


def sent_to_google(config: JobConfig, *, style: Any) -> int:
    """What the voice's own packing bills for an empty cache: a request a clip, each line once."""
    known: set[str] = set()
    count = 0
    for content in plan_contents(config, language="en-US", images={}):
        new = [line.text for line in content.lines if line.text not in known]
        known.update(new)
        lines: Sequence[Any] = [sentences(text, language="en-US") for text in new]
        count += sum(billed_characters(document(pieces, style=style)) for pieces in pack(lines, style=style))
    return count


@pytest.mark.parametrize(("voice", "style"), [("en-US-Neural2-F", "ssml"), ("en-US-Studio-O", "text")])
def test_the_characters_are_those_that_the_voice_would_be_paid_for(voice: str, style: str) -> None:
    submitted = json.loads(EXAMPLE.read_text()) | {"tts_voice": voice}
    config, _ = parse_job_config(submitted)
    (size,) = sizes(submitted)
    (family, count), *rest = size.characters.items()
    assert (family, rest) == (voice.split("-")[2].lower(), [])
    # Upper bound: signs and pictures that cannot be spoken are counted as well.
    assert sent_to_google(config, style=style) <= count <= 1.05 * sent_to_google(config, style=style)


def test_marks_are_not_billed_and_all_other_markup_is() -> None:
    assert billed_characters('<speak><mark name="0b"/>Yes.<mark name="0e"/></speak>') == len(
        "<speak>Yes.</speak>"
    )


def test_videos_and_clips_are_counted_by_format_and_a_narration_once() -> None:
    (one,) = sizes(CONFIG)
    (both,) = sizes(CONFIG | {"formats": ["16:9", "9:16"]})
    assert (one.videos, one.clips) == (1, 4)
    assert (both.videos, both.clips) == (2, 8)
    assert both.characters == one.characters


def test_only_the_first_questions_count() -> None:
    assert sizes(CONFIG | {"total_questions": 1})[0].clips == 3


def test_what_an_earlier_job_has_spoken_is_not_counted_again() -> None:
    first, second = sizes(CONFIG, CONFIG | {"title": "Another title"})
    assert 0 < sum(second.characters.values()) < 0.5 * sum(first.characters.values())
    other_voice = sizes(CONFIG, CONFIG | {"tts_voice": "en-US-Neural2-A"})
    assert other_voice[0].characters == other_voice[1].characters
    faster = sizes(CONFIG, CONFIG | {"tts_speed": 1.5})
    assert faster[0].characters == faster[1].characters


@pytest.mark.parametrize(
    ("config", "google_credentials"),
    [
        (CONFIG, False),
        (CONFIG | {"narration": {"provider": "offline"}}, True),
        (CONFIG | {"narration": {"provider": "none"}}, True),
    ],
)
def test_what_google_does_not_speak_is_free(config: dict[str, Any], google_credentials: bool) -> None:
    assert sizes(config, google_credentials=google_credentials)[0].characters == {}


def test_images_are_not_looked_for() -> None:
    questions = [question | {"image": "gone.png"} for question in CONFIG["questions"]]
    assert sizes(CONFIG | {"questions": questions}) == sizes(CONFIG)


def test_a_job_without_a_voice_is_refused_by_its_line() -> None:
    spanish = CONFIG | {"tts_voice": "es-ES-Neural2-A", "narration": {"provider": "offline"}}
    with pytest.raises(BadInputError, match="line 2: `tts_voice` is 'es-ES-Neural2-A'"):
        sizes(CONFIG, spanish)
