"""Drawn frames are those that were looked at and held. A change of look is a deliberate act:
look at the PNGs that the failure names, then `python -m tests.golden.update`.
"""

import platform
from pathlib import Path

import pytest

from tests.golden.frames import all_pairs, golden_frames, held_hashes
from trivia_render.models.formats import FormatName
from trivia_render.scene.planes import planes_to_image

pytestmark = pytest.mark.skipif(
    platform.machine().lower() not in {"x86_64", "amd64"},
    reason="held on x86-64; other processors round a few pixels differently",
)


@pytest.mark.parametrize(("theme", "name"), all_pairs(), ids=lambda part: part.replace(":", "x"))
def test_frames_look_as_they_were_held(theme: str, name: FormatName, tmp_path: Path) -> None:
    held = held_hashes()
    changed = []
    for frame in golden_frames(theme, name):
        if held.get(frame.name) != frame.sha256:
            file = tmp_path / f"{frame.name.replace('/', '-')}.png"
            planes_to_image(frame.planes, width=frame.width, height=frame.height).save(file)
            changed.append(str(file))
    assert not changed, "these frames look different; see them, then `python -m tests.golden.update`:\n" + (
        "\n".join(changed)
    )


def test_no_hash_is_held_for_a_frame_that_is_no_more() -> None:
    prefixes = {f"{theme}/{name.replace(':', 'x')}/" for theme, name in all_pairs()}
    assert all(any(held.startswith(prefix) for prefix in prefixes) for held in held_hashes())
