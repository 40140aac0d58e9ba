"""Captions and chapters from the timelines of a video's clips. Pure."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from trivia_render.models.formats import FPS, SAMPLE_RATE
from trivia_render.models.plan import ClipContent
from trivia_render.models.results import Chapter
from trivia_render.models.timeline import Timeline

#: Netflix's and the BBC's subtitle guidelines: at most two lines, of 37 to 42 characters.
LINE_CHARACTERS = 42
LINES = 2
#: YouTube shows about so many characters of a chapter's title.
CHAPTER_CHARACTERS = 90

#: Keeps `<b>` and `{\\an8}` from being read as markup by players that know it in SRT, which has no escape.
WORD_JOINER = "\u2060"


class CaptionCue(NamedTuple):
    """A caption on screen, in seconds of the whole video."""

    start_seconds: float
    end_seconds: float
    lines: tuple[str, ...]


def caption_cues(timelines: Sequence[Timeline]) -> tuple[CaptionCue, ...]:
    """Turn the spoken sentences of clips in order into cues that never overlap."""
    cues: list[CaptionCue] = []
    offset_frames = 0
    for timeline in timelines:
        for placed in timeline.speech:
            base = offset_frames / FPS + placed.start_sample / SAMPLE_RATE
            for sentence in placed.sentences:
                start, end = base + sentence.start_seconds, base + sentence.end_seconds
                cues.extend(_cues_of_sentence(sentence.text, start, end))
        offset_frames += timeline.frames
    return tuple(_without_overlap(cues))


def _cues_of_sentence(text: str, start: float, end: float) -> Iterable[CaptionCue]:
    lines = _wrap(text)
    blocks = [lines[index : index + LINES] for index in range(0, len(lines), LINES)]
    total = sum(len(line) for line in lines)
    at = start
    for block in blocks:
        # Speech runs evenly enough that a part's share of characters is its share of time.
        until = at + (end - start) * sum(len(line) for line in block) / total
        yield CaptionCue(at, until, tuple(block))
        at = until


def _wrap(text: str) -> list[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= LINE_CHARACTERS:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _without_overlap(cues: Sequence[CaptionCue]) -> Iterable[CaptionCue]:
    for cue, following in zip_longest(cues, cues[1:]):
        end = cue.end_seconds if following is None else min(cue.end_seconds, following.start_seconds)
        if end > cue.start_seconds:
            yield cue._replace(end_seconds=end)


def to_srt(cues: Sequence[CaptionCue]) -> str:
    """Write SubRip text. Nothing in a caption is read as markup."""
    blocks = []
    for number, cue in enumerate(cues, start=1):
        text = "\n".join(cue.lines).replace("<", f"<{WORD_JOINER}").replace("{", f"{{{WORD_JOINER}")
        text = text.replace("-->", f"--{WORD_JOINER}>")
        start, end = _clock(cue.start_seconds, ","), _clock(cue.end_seconds, ",")
        blocks.append(f"{number}\n{start} --> {end}\n{text}\n")
    return "\n".join(blocks)


def to_vtt(cues: Sequence[CaptionCue]) -> str:
    """Write WebVTT with its own escapes (W3C WebVTT 1, 3.3)."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        text = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_clock(cue.start_seconds, '.')} --> {_clock(cue.end_seconds, '.')}\n{text}\n")
    return "\n".join(blocks)


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds // 1000:02d}{point}{milliseconds % 1000:03d}"


def chapters(contents: Sequence[ClipContent], timelines: Sequence[Timeline]) -> tuple[Chapter, ...]:
    """Name a chapter after each clip: the question itself, never its answer."""
    found: list[Chapter] = []
    start = 0
    for content, timeline in zip(contents, timelines, strict=True):
        end = start + timeline.frames
        found.append(Chapter(title=_chapter_title(content), start_seconds=start / FPS, end_seconds=end / FPS))
        start = end
    return tuple(found)


def _chapter_title(content: ClipContent) -> str:
    if content.kind == "intro":
        title = content.title
    elif content.kind == "question":
        title = f"{content.number}. {content.question}"
    else:
        title = content.heading
    title = " ".join(title.split())
    return title if len(title) <= CHAPTER_CHARACTERS else title[: CHAPTER_CHARACTERS - 1].rstrip() + "…"
