"""Clips with real texts, for golden frames, scene tests and contact sheets."""

import hashlib
import io
from typing import Any

from PIL import Image, ImageDraw

from trivia_render.models.config import ThemeChoice
from trivia_render.models.formats import SAMPLE_RATE, FormatName
from trivia_render.models.plan import (
    ClipContent,
    ClipSpec,
    EncoderSpec,
    IntroClip,
    OutroClip,
    QuestionClip,
    VoiceSpec,
)
from trivia_render.models.theme import ThemeAsset
from trivia_render.models.timeline import Line, LineRole, MeasuredLine, Timeline
from trivia_render.scene.themes import load_theme
from trivia_render.scene.timeline import build_timeline

#: As long as the longest question and option of ninety-nine in a hundred: 308 and 66 characters.
LONG_QUESTION = (
    "Which astronomer, the son of a wealthy brewer in a port on the Baltic Sea, catalogued more than fifteen "
    "hundred stars from an observatory that he had built on the roofs of his three houses, drew the first "
    "atlas of the Moon, and died on the very day on which he had been born seventy-six years before then?"
)
LONG_OPTIONS = (
    "Johannes Hevelius of Danzig, councillor and brewer like his father",
    "Tycho Brahe, who had lost a part of his nose in a duel at Rostock.",
    "Giovanni Riccioli, a Jesuit who argued against the moving of Earth",
    "Christopher Clavius, the reformer of the calendar, teacher in Rome",
)
SHORT_EXPLANATION = "Saturn has 146 known moons; Jupiter comes second with 95."
LONG_EXPLANATION = (
    "Saturn has 146 known moons, more than all other planets together. Most of them are small, irregular "
    "bodies that were captured long ago; only Titan, the second largest moon of the solar system, has an "
    "atmosphere of its own, denser than that of the Earth."
)


def question(**changes: Any) -> QuestionClip:
    """Return a short question with four options; `changes` replace its fields."""
    fields: dict[str, Any] = {
        "number": 3,
        "total": 10,
        "label": "Question 3/10",
        "question": "Which planet of our solar system has the most moons?",
        "options": ("Jupiter", "Saturn", "Uranus", "Neptune"),
        "correct": 1,
        "explanation": None,
        "category": "Space",
        "difficulty": "medium",
        "image": None,
        "countdown_frames": 150,
        "reveal_frames": 90,
        "explanation_frames": 90 if changes.get("explanation") else 0,
        "gap_frames": 12,
    } | changes
    lines = [_line("question", fields["question"]), _line("answer", fields["options"][fields["correct"]])]
    if fields["explanation"]:
        lines.append(_line("explanation", fields["explanation"]))
    return QuestionClip(**{"lines": tuple(lines), **fields})


def _line(role: LineRole, text: str) -> Line:
    return Line(role=role, text=text)


def long_question(**changes: Any) -> QuestionClip:
    """Return a question as long as the longest one in a hundred."""
    return question(**{"question": LONG_QUESTION, "options": LONG_OPTIONS, "correct": 0} | changes)


def arabic_question(**changes: Any) -> QuestionClip:
    """Return a question from right to left."""
    fields = {
        "label": "السؤال 3/10",
        "question": "أي كوكب في مجموعتنا الشمسية لديه أكبر عدد من الأقمار؟",
        "options": ("المشتري", "زحل", "أورانوس", "نبتون"),
        "category": "الفضاء",
    }
    return question(**fields | changes)


def emoji_question(**changes: Any) -> QuestionClip:
    """Return a question with signs that other programs take for markup, and with emoji."""
    fields = {
        "question": "Who took the first step? 👩🏽‍🚀 + 🌕 = “100 %” <b>{you}</b> & me",
        "options": ("Neil Armstrong", "¡Ñandú à la crème brûlée!", "🇫🇷 Thomas Pesquet", "C:\\moon\\it's: ok"),
        "correct": 0,
    }
    return question(**fields | changes)


def intro(**changes: Any) -> IntroClip:
    """Return a title card."""
    fields: dict[str, Any] = {
        "title": "The Big Space Quiz",
        "subtitle": "10 questions · 5 seconds each",
        "lines": (_line("title", "Welcome to the Big Space Quiz."),),
        "min_frames": 60,
    }
    return IntroClip(**fields | changes)


def outro(**changes: Any) -> OutroClip:
    """Return a closing card."""
    fields: dict[str, Any] = {
        "heading": "Thanks for playing!",
        "call_to_action": "Subscribe for more trivia",
        "lines": (_line("outro", "Thanks for playing!"),),
        "min_frames": 60,
    }
    return OutroClip(**fields | changes)


def spec(
    content: ClipContent,
    *,
    theme: str = "aurora",
    name: FormatName = "16:9",
    language: str = "en-US",
    background_image: ThemeAsset | None = None,
    logo: ThemeAsset | None = None,
) -> ClipSpec:
    """Return the clip's spec with a theme by name."""
    return ClipSpec(
        engine_version="test",
        content=content,
        format=name,
        theme=load_theme(ThemeChoice(name=theme), background_image=background_image, logo=logo),
        language=language,
        voice=VoiceSpec(provider="none", name="none", language=language, speed=1.0),
        encoder=EncoderSpec(name="libx264", build="test"),
    )


def timeline(content: ClipContent, *, line_seconds: float = 1.0) -> Timeline:
    """Time a clip whose lines all take so long."""
    samples = round(line_seconds * SAMPLE_RATE)
    lines = [MeasuredLine(line=line, samples=samples, sentences=()) for line in content.lines]
    return build_timeline(content, lines)


def picture(width: int, height: int, *, kind: str = "PNG") -> tuple[ThemeAsset, dict[str, bytes]]:
    """Return a drawn image as an asset, and the assets that hold it."""
    image = Image.new("RGB", (width, height), (16, 20, 48))
    pen = ImageDraw.Draw(image)
    for star in range(60):
        x, y = star * 7919 % width, star * 104729 % height
        pen.ellipse((x - 1, y - 1, x + 1, y + 1), fill=(190, 196, 220))
    image.paste(
        _planet(min(width, height)), ((width - min(width, height)) // 2, (height - min(width, height)) // 2)
    )
    buffer = io.BytesIO()
    image.save(buffer, kind)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    return ThemeAsset(sha256=digest, uri=f"assets/{digest}.png"), {digest: buffer.getvalue()}


def _planet(side: int) -> Image.Image:
    """Return a banded planet within rings, leaning, on the sky's colour."""
    sky, big = (16, 20, 48), side * 2
    image = Image.new("RGB", (big, big), sky)
    pen = ImageDraw.Draw(image)
    middle, radius = big / 2, big * 0.25
    disc = Image.new("L", (big, big), 0)
    ImageDraw.Draw(disc).ellipse(
        (middle - radius, middle - radius, middle + radius, middle + radius), fill=255
    )

    def rings(start: int, end: int) -> None:
        for share, colour in ((1.95, (206, 182, 140)), (1.75, (236, 214, 170)), (1.45, (176, 150, 112))):
            box = (
                middle - share * radius,
                middle - share * radius * 0.3,
                middle + share * radius,
                middle + share * radius * 0.3,
            )
            pen.arc(box, start, end, fill=colour, width=max(2, round(radius * 0.12)))

    rings(180, 360)
    bands = Image.new("RGB", (big, big), (228, 190, 130))
    stripes = ImageDraw.Draw(bands)
    for row, colour in (
        (-0.62, (206, 164, 108)),
        (-0.2, (240, 208, 150)),
        (0.25, (212, 170, 112)),
        (0.62, (190, 148, 98)),
    ):
        stripes.rectangle((0, middle + (row - 0.1) * radius, big, middle + (row + 0.1) * radius), fill=colour)
    image.paste(bands, (0, 0), disc)
    rings(0, 180)
    return image.rotate(16, Image.Resampling.BICUBIC, fillcolor=sky).resize(
        (side, side), Image.Resampling.LANCZOS
    )
