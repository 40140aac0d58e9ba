"""The frames that are held: stages of a question, intro and outro, in every theme and format."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.golden import samples
from trivia_render.models.formats import FORMATS, FormatName
from trivia_render.models.plan import ClipSpec
from trivia_render.models.ports import Planes
from trivia_render.scene.compose import open_scene
from trivia_render.scene.stills import stage_stills
from trivia_render.scene.themes import theme_names

HASHES = Path(__file__).with_name("frames.json")


class GoldenFrame(NamedTuple):
    """A drawn frame and its name, such as `aurora/16x9/question-reveal`."""

    name: str
    width: int
    height: int
    planes: Planes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.planes.tobytes()).hexdigest()


def golden_frames(theme: str, name: FormatName) -> Iterator[GoldenFrame]:
    """Draw the frames of one theme and format."""
    size = FORMATS[name]
    for kind, spec in _clips(theme, name):
        timeline = samples.timeline(spec.content)
        scene = open_scene(spec, timeline, assets={})
        for stage, frame in stage_stills(spec, timeline):
            if kind == "question" or stage != "enter":
                title = f"{theme}/{size.slug}/{kind}" + (f"-{stage}" if kind == "question" else "")
                yield GoldenFrame(title, size.width, size.height, scene.frame(frame))


def _clips(theme: str, name: FormatName) -> Iterator[tuple[str, ClipSpec]]:
    yield "intro", samples.spec(samples.intro(), theme=theme, name=name)
    yield "question", samples.spec(samples.question(), theme=theme, name=name)
    yield "outro", samples.spec(samples.outro(), theme=theme, name=name)


def all_pairs() -> list[tuple[str, FormatName]]:
    """List every theme with every format."""
    return [(theme, name) for theme in theme_names() for name in FORMATS]


def held_hashes() -> dict[str, str]:
    """Return the held hash of each frame by its name."""
    held: dict[str, str] = json.loads(HASHES.read_text(encoding="utf-8"))
    return held
