import json
from pathlib import Path

import pytest

from trivia_render.errors import TextDoesNotFitError, TextNotDrawableError
from trivia_render.models.config import JobConfig, ThemeChoice
from trivia_render.models.parse import parse_job_config
from trivia_render.models.plan import EncoderSpec, JobPlan, QuestionClip, VoiceSpec
from trivia_render.pipeline.plan import check_texts, plan_contents, plan_job
from trivia_render.scene.themes import load_theme

VOICE = VoiceSpec(provider="none", name="none", language="en-US", speed=1.0)
QUESTIONS = [
    {"question": f"Question {n}?", "answer_a": "Yes", "answer_b": "No", "correct_answer": "B"}
    for n in range(1, 4)
]


def config(**changes: object) -> JobConfig:
    data = {"channel": "quiz", "total_questions": 3, "questions": QUESTIONS} | changes
    return parse_job_config(json.dumps(data))[0]


def plan(job: JobConfig, *, encoder: str = "build 1", voice: VoiceSpec = VOICE) -> JobPlan:
    return plan_job(
        job, channel="quiz", job_id="j", contents=plan_contents(job, language=voice.language, images={}),
        theme=load_theme(job.theme), voice=voice, encoder=EncoderSpec(name="libx264", build=encoder),
        fallbacks=(),
    )  # fmt: skip


def keys(job: JobPlan) -> list[str]:
    return [spec.key for video in job.videos for spec in video.clips]


def differing(one: JobPlan, other: JobPlan) -> list[str]:
    pairs = zip(one.videos[0].clips, other.videos[0].clips, strict=True)
    return [a.label for a, b in pairs if a.key != b.key]


def test_a_video_is_intro_questions_outro() -> None:
    assert [spec.label for spec in plan(config()).videos[0].clips] == ["intro", "q01", "q02", "q03", "outro"]


def test_the_same_config_has_the_same_clip_keys_whatever_its_job() -> None:
    assert keys(plan(config())) == keys(plan(config(metadata={"a": 1}, priority="high")))


def test_one_changed_question_changes_one_clip() -> None:
    changed = [QUESTIONS[0], {**QUESTIONS[1], "answer_b": "Never"}, QUESTIONS[2]]
    assert differing(plan(config()), plan(config(questions=changed))) == ["q02"]


def test_sound_settings_change_no_clip_but_the_plan() -> None:
    quiet = plan(config(soundtrack={"source": "none"}))
    assert keys(plan(config())) == keys(quiet)
    assert plan(config()).digest() != quiet.digest()


@pytest.mark.parametrize("changes", [{"theme": "paper"}, {"timing": {"countdown_seconds": 8}}])
def test_what_shapes_every_question_changes_every_question(changes: dict[str, object]) -> None:
    assert {"q01", "q02", "q03"} <= set(differing(plan(config()), plan(config(**changes))))


def test_encoder_build_and_voice_are_part_of_every_clip_key() -> None:
    base = plan(config())
    assert not set(keys(base)) & set(keys(plan(config(), encoder="build 2")))
    faster = VOICE.model_copy(update={"speed": 1.5})
    assert not set(keys(base)) & set(keys(plan(config(), voice=faster)))


def test_each_format_has_its_own_clips() -> None:
    both = plan(config(formats=["16:9", "9:16"]))
    assert [video.format for video in both.videos] == ["16:9", "9:16"]
    assert len(set(keys(both))) == 10


def test_surplus_questions_are_left_out() -> None:
    contents = plan_contents(config(total_questions=2), language="en", images={})
    assert [c.label for c in contents if isinstance(c, QuestionClip)] == ["Question 1/2", "Question 2/2"]


def test_options_are_read_aloud_when_asked_for() -> None:
    def roles(job: JobConfig) -> list[str]:
        return [line.role for line in plan_contents(job, language="en", images={})[1].lines]

    assert roles(config()) == ["question", "answer"]
    assert roles(config(narration={"read_options": True})) == ["question", "option", "option", "answer"]


def test_a_question_has_its_own_timing_over_the_jobs() -> None:
    job = config(
        timing={"countdown_seconds": 7},
        questions=[QUESTIONS[0], {**QUESTIONS[1], "timing": {"countdown_seconds": 10}}, QUESTIONS[2]],
    )
    contents = plan_contents(job, language="en", images={})
    frames = [c.countdown_frames for c in contents if isinstance(c, QuestionClip)]
    assert frames == [210, 300, 210]


def test_every_text_that_does_not_fit_is_named_at_once() -> None:
    long = [{**question, "answer_a": "endless " * 120} for question in QUESTIONS[:2]]
    job = config(questions=[*long, QUESTIONS[2]])
    with pytest.raises(TextDoesNotFitError) as caught:
        check_texts(
            plan_contents(job, language="en", images={}),
            formats=("16:9",), theme=load_theme(ThemeChoice()), language="en",
        )  # fmt: skip
    assert "uestion 1" in str(caught.value)
    assert "uestion 2" in str(caught.value)
    assert "uestion 3" not in str(caught.value)


@pytest.mark.parametrize("field", ["question", "answer_a", "explanation", "category"])
def test_a_text_that_no_typeface_can_write_is_refused_and_named(field: str) -> None:
    job = config(questions=[QUESTIONS[0], {**QUESTIONS[1], field: "最大の惑星"}])
    with pytest.raises(TextNotDrawableError, match=r"uestion 2.*最"):
        check_texts(
            plan_contents(job, language="en", images={}),
            formats=("16:9",), theme=load_theme(ThemeChoice()), language="en",
        )  # fmt: skip


def test_the_examples_plan_in_every_format() -> None:
    for path in sorted(Path("examples").glob("*.json")):
        job, _ = parse_job_config(path.read_bytes())
        contents = plan_contents(job, language=job.tts_voice[:5], images={})
        check_texts(
            contents, formats=("16:9", "9:16", "1:1"), theme=load_theme(job.theme), language=job.tts_voice[:5]
        )
