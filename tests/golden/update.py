"""Hold today's look: `python -m tests.golden.update [FOLDER]`.

Draws every golden frame and writes its hash to frames.json. With a folder, the frames that changed are
written there as PNG, so that the new look can be seen before it is committed.
"""

import json
import sys
from pathlib import Path

from tests.golden.frames import HASHES, all_pairs, golden_frames, held_hashes
from trivia_render.scene.planes import planes_to_image


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    before = held_hashes() if HASHES.exists() else {}
    found: dict[str, str] = {}
    for theme, name in all_pairs():
        for frame in golden_frames(theme, name):
            found[frame.name] = frame.sha256
            if folder is not None and before.get(frame.name) != frame.sha256:
                file = folder / f"{frame.name.replace('/', '-')}.png"
                folder.mkdir(parents=True, exist_ok=True)
                planes_to_image(frame.planes, width=frame.width, height=frame.height).save(file)
    HASHES.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    changed = sum(before.get(name) != digest for name, digest in found.items())
    print(f"{changed} of {len(found)} frames changed" + (f"; see {folder}" if folder and changed else ""))


if __name__ == "__main__":
    main()
