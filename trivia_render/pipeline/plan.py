"""From a job config to a plan: every default, name and text resolved, before anything is rendered."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeVar

from trivia_render import ENGINE_VERSION
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.probe import resolve_encoder
from trivia_render.errors import TextDoesNotFitError, TextNotDrawableError
from trivia_render.models.config import JobConfig, Question
from trivia_render.models.formats import FormatName, seconds_to_frames
from trivia_render.models.parse import correct_index, options_of
from trivia_render.models.phrases import Phrases, phrases_for
from trivia_render.models.plan import (
    ClipContent,
    ClipSpec,
    EncoderSpec,
    Fallback,
    IntroClip,
    JobPlan,
    OutroClip,
    QuestionClip,
    VideoPlan,
    VoiceSpec,
)
from trivia_render.models.theme import Theme, ThemeAsset
from trivia_render.models.timeline import Line
from trivia_render.pipeline.assets import import_assets
from trivia_render.pipeline.ports import EncoderRequest, Ports
from trivia_render.scene.coverage import check_coverage
from trivia_render.scene.layout import check_fit
from trivia_render.scene.themes import load_theme
from trivia_render.speech.resolve import resolve_voice


def make_plan(ports: Ports, config: JobConfig, *, channel: str, job_id: str) -> JobPlan:
    """Resolve voice, encoder, theme and images on this machine and plan the job.

    Raises LanguageNotSpokenError, EncoderUnavailableError, ThemeInvalidError, AssetInvalidError,
    TextNotDrawableError, TextDoesNotFitError: all before anything is rendered.
    """
    voice, voice_fallback = resolve_voice(
        requested=config.tts_voice,
        speed=config.tts_speed,
        provider=config.narration.provider,
        google_credentials=ports.google_credentials,
    )
    theme, contents = plan_pictures(ports, config, language=voice.language)
    encoder, encoder_fallback = _resolve_once(ports.encoder, ports.ffmpeg)
    return plan_job(
        config,
        channel=channel,
        job_id=job_id,
        contents=contents,
        theme=theme,
        voice=voice,
        encoder=encoder,
        fallbacks=tuple(fallback for fallback in (voice_fallback, encoder_fallback) if fallback is not None),
    )


def plan_pictures(ports: Ports, config: JobConfig, *, language: str) -> tuple[Theme, tuple[ClipContent, ...]]:
    """Take the images into the store, and return the theme and the clips' contents, checked.

    Raises ThemeInvalidError, AssetInvalidError, TextNotDrawableError, TextDoesNotFitError.
    """
    images = import_assets(config, ports)
    theme = load_theme(
        config.theme,
        background_image=images.get(config.theme.background_image or ""),
        logo=images.get(config.theme.logo or ""),
    )
    contents = plan_contents(config, language=language, images=images)
    check_texts(contents, formats=config.formats, theme=theme, language=language)
    return theme, contents


@cache
def _resolve_once(requested: EncoderRequest, ffmpeg: Ffmpeg) -> tuple[EncoderSpec, Fallback | None]:
    """Probe once a process: a job that is planned twice must not get two encoders."""
    return resolve_encoder(requested, ffmpeg=ffmpeg)


def plan_job(
    config: JobConfig,
    *,
    channel: str,
    job_id: str,
    contents: Sequence[ClipContent],
    theme: Theme,
    voice: VoiceSpec,
    encoder: EncoderSpec,
    fallbacks: tuple[Fallback, ...],
) -> JobPlan:
    """Put the plan together. Pure."""

    def video(name: FormatName) -> VideoPlan:
        return VideoPlan(
            format=name,
            clips=tuple(
                ClipSpec(
                    engine_version=ENGINE_VERSION,
                    content=content,
                    format=name,
                    theme=theme,
                    language=voice.language,
                    voice=voice,
                    encoder=encoder,
                )
                for content in contents
            ),
        )

    return JobPlan(
        channel=channel,
        job_id=job_id,
        title=title_of(config, phrases_for(voice.language)),
        language=voice.language,
        config_sha256=config.digest(),
        videos=tuple(video(name) for name in dict.fromkeys(config.formats)),
        voice=voice,
        encoder=encoder,
        soundtrack=config.soundtrack,
        sound_effects=config.sound_effects,
        loudness=config.loudness,
        captions=config.captions,
        fallbacks=fallbacks,
    )


def plan_contents(
    config: JobConfig, *, language: str, images: Mapping[str, ThemeAsset]
) -> tuple[ClipContent, ...]:
    """Lay out what each clip says and shows: intro, questions, outro. Pure."""
    phrases = phrases_for(language)
    questions = config.questions[: config.total_questions]
    return (
        _intro(config, phrases, total=len(questions)),
        *(
            _question(config, question, phrases, number=number, total=len(questions), images=images)
            for number, question in enumerate(questions, start=1)
        ),
        _outro(config, phrases),
    )


def title_of(config: JobConfig, phrases: Phrases) -> str:
    """The video's title: the config's, or the language's usual one."""
    return config.title or phrases.title


def _intro(config: JobConfig, phrases: Phrases, *, total: int) -> IntroClip:
    title = title_of(config, phrases)
    return IntroClip(
        title=title,
        subtitle=phrases.intro_subtitle(questions=total, countdown_seconds=config.timing.countdown_seconds),
        lines=(Line(role="title", text=phrases.intro_line(title=title, questions=total)),),
        min_frames=seconds_to_frames(config.timing.intro_seconds),
    )


def _question(
    config: JobConfig,
    question: Question,
    phrases: Phrases,
    *,
    number: int,
    total: int,
    images: Mapping[str, ThemeAsset],
) -> QuestionClip:
    options = options_of(question)
    correct = correct_index(question)
    timing = config.timing.model_copy(update=question.timing.model_dump(exclude_none=True))
    lines = [Line(role="question", text=question.question)]
    if config.narration.read_options:
        lines.extend(
            Line(role="option", text=phrases.option_line(option=index, text=text), option=index)
            for index, text in enumerate(options)
        )
    lines.append(Line(role="answer", text=phrases.answer_line(answer=options[correct], number=number)))
    if question.explanation is not None:
        lines.append(Line(role="explanation", text=question.explanation))
    return QuestionClip(
        number=number,
        total=total,
        label=phrases.progress_label(number=number, total=total),
        question=question.question,
        options=options,
        correct=correct,
        explanation=question.explanation,
        category=question.category,
        difficulty=question.difficulty,
        image=images[question.image] if question.image else None,
        lines=tuple(lines),
        countdown_frames=seconds_to_frames(timing.countdown_seconds),
        reveal_frames=seconds_to_frames(timing.reveal_seconds),
        explanation_frames=seconds_to_frames(timing.explanation_seconds) if question.explanation else 0,
        gap_frames=seconds_to_frames(timing.gap_seconds),
    )


def _outro(config: JobConfig, phrases: Phrases) -> OutroClip:
    return OutroClip(
        heading=phrases.outro_heading,
        call_to_action=phrases.call_to_action,
        lines=(Line(role="outro", text=phrases.outro_line()),),
        min_frames=seconds_to_frames(config.timing.outro_seconds),
    )


def check_texts(
    contents: Sequence[ClipContent], *, formats: Sequence[FormatName], theme: Theme, language: str
) -> None:
    """Check that every text can be written and fits every format.

    Raises one TextNotDrawableError that lists every text with characters that no typeface has, else one
    TextDoesNotFitError that lists every text that is too long.
    """
    unwritable: list[TextNotDrawableError] = []
    for content in contents:
        try:
            check_coverage(content, theme=theme, language=language)
        except TextNotDrawableError as error:
            unwritable.append(error)
    if unwritable:
        raise _together(unwritable, "cannot be written with the installed typefaces")
    misfits: list[TextDoesNotFitError] = []
    for name in formats:
        for content in contents:
            try:
                check_fit(content, format=name, theme=theme, language=language)
            except TextDoesNotFitError as error:
                misfits.append(error)
    if misfits:
        raise _together(misfits, "are too long for their place")


E = TypeVar("E", TextDoesNotFitError, TextNotDrawableError)


def _together(errors: Sequence[E], what: str) -> E:
    """Return one error that says all; a single one as it is."""
    first = errors[0]
    if len(errors) == 1:
        return first
    lines = "\n".join(f"  {error.message}" for error in errors)
    return type(first)(f"{len(errors)} texts {what}:", evidence=lines, remedy=first.remedy)
