import struct
from pathlib import Path

import pytest

from trivia_render.errors import ProgramMissingError
from trivia_render.scene.cmap import covered_characters
from trivia_render.scene.fonts import load_font, theme_face


def _font_file(path: Path, subtables: dict[tuple[int, int], bytes]) -> Path:
    """Write a font file that holds a `cmap` table and nothing else."""
    header = struct.pack(">HH", 0, len(subtables))
    offset = len(header) + 8 * len(subtables)
    body = b""
    for (platform, encoding), data in subtables.items():
        header += struct.pack(">HHL", platform, encoding, offset + len(body))
        body += data
    directory = struct.pack(">LHHHH", 0x00010000, 1, 16, 0, 0)
    directory += struct.pack(">4sLLL", b"cmap", 0, 28, len(header) + len(body))
    path.write_bytes(directory + header + body)
    return path


def _format_4(
    *, ends: list[int], starts: list[int], deltas: list[int], ranges: list[int], glyphs: list[int]
) -> bytes:
    count = len(ends)
    words = [*ends, 0, *starts, *deltas, *ranges, *glyphs]
    return struct.pack(">7H", 4, 14 + 2 * len(words), 0, 2 * count, 0, 0, 0) + struct.pack(
        f">{len(words)}H", *words
    )


def _format_12(*groups: tuple[int, int, int]) -> bytes:
    body = b"".join(struct.pack(">LLL", *group) for group in groups)
    return struct.pack(">HHLLL", 12, 0, 16 + len(body), 0, len(groups)) + body


def test_format_4_maps_segments_by_offset_and_by_index_array(tmp_path: Path) -> None:
    subtable = _format_4(
        ends=[0x43, 0x63, 0xFFFF],
        starts=[0x41, 0x61, 0xFFFF],
        deltas=[(5 - 0x41) & 0xFFFF, 0, 1],
        # The second segment reads its glyphs from the array behind the ranges: two words further on.
        ranges=[0, 4, 0],
        glyphs=[7, 0, 9],
    )
    path = _font_file(tmp_path / "four.ttf", {(3, 1): subtable})
    assert covered_characters(path) == {0x41, 0x42, 0x43, 0x61, 0x63}


def test_format_12_reaches_beyond_the_basic_plane(tmp_path: Path) -> None:
    path = _font_file(tmp_path / "twelve.ttf", {(3, 10): _format_12((0x41, 0x42, 1), (0x1F600, 0x1F601, 9))})
    assert covered_characters(path) == {0x41, 0x42, 0x1F600, 0x1F601}


def test_the_subtable_with_the_widest_repertoire_counts(tmp_path: Path) -> None:
    narrow = _format_4(ends=[0x41, 0xFFFF], starts=[0x41, 0xFFFF], deltas=[1, 1], ranges=[0, 0], glyphs=[])
    path = _font_file(tmp_path / "both.ttf", {(0, 3): narrow, (3, 10): _format_12((0x41, 0x5A, 1))})
    assert len(covered_characters(path)) == 26


def test_a_character_mapped_to_the_box_is_not_covered(tmp_path: Path) -> None:
    path = _font_file(tmp_path / "zero.ttf", {(3, 10): _format_12((0x41, 0x43, 0))})
    assert covered_characters(path) == {0x42, 0x43}


@pytest.mark.parametrize("content", [b"", b"not a font at all", b"\0\1\0\0\0\0" + bytes(40)])
def test_a_damaged_font_file_is_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.ttf"
    path.write_bytes(content)
    with pytest.raises(ProgramMissingError, match=r"damaged\.ttf"):
        covered_characters(path)


@pytest.mark.parametrize("name", ["inter", "poppins", "fredoka", "playfair", "space-grotesk"])
def test_coverage_agrees_with_what_freetype_draws(name) -> None:
    font = load_font(name, weight=400, size_px=24)
    covered = covered_characters(theme_face(name, weight=400).path)
    box = bytes(font.getmask("\U0010fffe"))
    # None of these can be put together from others, which the shaper would do where one is missing.
    for character in "AłßđøЖΩאعक漢→₹":
        drawn_as_box = bytes(font.getmask(character)) == box
        assert drawn_as_box == (ord(character) not in covered), character
