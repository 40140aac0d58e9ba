"""Join finished clips and the finished sound into one video, copying both."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from trivia_render.encode import arguments
from trivia_render.encode.ffmpeg import Ffmpeg
from trivia_render.encode.metadata import clip_list_file, metadata_file
from trivia_render.encode.packets import VideoPackets, read_video_packets
from trivia_render.errors import ClipMismatchError
from trivia_render.models.results import Chapter


def join_clips(
    clips: Sequence[Path],
    *,
    audio: Path | None,
    chapters: Sequence[Chapter],
    output: Path,
    ffmpeg: Ffmpeg,
    title: str,
) -> None:
    """Join clips of `encode_clip`, in order, with an AAC file, chapters and title, to MP4 at `output`.

    Nothing is encoded. The file appears whole or not at all. Raises ClipMismatchError when the clips do not
    share their parameter sets, EncodeError, EncodeStalledError, VideoOutOfSpecError for a clip that is none.
    """
    check_joinable({clip.name: read_video_packets(clip) for clip in clips})
    partial = output.with_name(f".{output.name}.partial").resolve()
    with tempfile.TemporaryDirectory(prefix="join-", dir=output.parent) as temporary:
        folder = Path(temporary)
        # FFmpeg reads the list in its own folder and finds links under names of ours: whatever the clips
        # and their folders are called, the list needs no quoting, and FFmpeg takes no `#` or `?` in a
        # folder's name for a part of a URL.
        names = [f"{number:04d}.mp4" for number in range(len(clips))]
        for name, clip in zip(names, clips, strict=True):
            (folder / name).symlink_to(clip.resolve())
        (folder / "clips.txt").write_text(clip_list_file(names), encoding="utf-8")
        (folder / "metadata.txt").write_text(
            metadata_file(title=title, chapters=chapters), encoding="utf-8", newline="\n"
        )
        try:
            ffmpeg(
                arguments.join_clips(
                    clip_list=Path("clips.txt"),
                    audio=None if audio is None else audio.resolve(),
                    metadata=Path("metadata.txt"),
                    output=partial,
                ),
                f"joining {len(clips)} clips",
                folder=folder,
            )
            partial.replace(output)
        finally:
            partial.unlink(missing_ok=True)


def check_joinable(clips: Mapping[str, VideoPackets]) -> None:
    """Raise ClipMismatchError unless all clips, by name, were encoded alike. Pure.

    Alike are SPS and PPS, and how far decoding runs ahead of showing: with another lead, the decoding times
    of two clips would overlap at their join.
    """
    groups: dict[str, list[str]] = {}
    for name, packets in clips.items():
        lead = min(packets.pts) - packets.dts[0]
        groups.setdefault(f"SPS and PPS {packets.parameter_sets_sha256[:12]}, lead {lead}", []).append(name)
    if len(groups) > 1:
        raise ClipMismatchError(
            f"The clips were encoded in {len(groups)} different ways and cannot be joined.",
            evidence="\n".join(f"  {way}: {', '.join(names)}" for way, names in groups.items()),
            remedy="Render the odd clips again with the job's encoder and FFmpeg build.",
        )
