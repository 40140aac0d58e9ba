import pytest
from PIL import Image, ImageChops, ImageDraw

from trivia_render.scene.fonts import open_face
from trivia_render.scene.text import TextStyle, draw_text, fit_text, set_text

STYLE = TextStyle("inter", 700)
MARGIN = 120
TEXTS = {
    "short": "Who?",
    "descenders": "jumping gypsy, ÅÉÎ (Ç) jfj",
    "french": "Où l’été s’achève-t-il ? « Ici ! » ÀÉÊÇŒ",
    "vietnamese": "Thủ đô Ẩn Ễ Ộ Ữ nghĩa trường",
    "arabic": "في أي عام أطلقت شركة Apple هاتف iPhone: 2007 أم 2010؟ ﷽",
    "hebrew": "מי כתב את Harry Potter בשנת 1997?",
    "hindi": "भारत की राजधानी क्या है? र्क्षि १२३",
    "thai": "เมืองหลวงของประเทศไทยคืออะไร ปู่",
    "burmese": "မြန်မာနိုင်ငံ၏ မြို့တော်",
    "emoji": "Flags 🇩🇪🏴󠁧󠁢󠁥󠁮󠁧󠁿 1️⃣ ❤️‍🔥 👨‍👩‍👧‍👦",
    "symbols": "<b>{x}%s\\n'\":` \\ $5 &amp; ~^|",
    "missing": "日本 a",
}


def _drawn(found, *, mode="RGBA", colour="#ffffff", align="start", width_px=None) -> Image.Image:
    image = Image.new(mode, (found.width_px + 2 * MARGIN, found.height_px + 2 * MARGIN))
    width = found.width_px if width_px is None else width_px
    draw_text(image, found, x=MARGIN, y=MARGIN, width_px=width, align=align, colour=colour)
    return image


def _unclipped(found) -> Image.Image:
    """Draw the runs with nothing but Pillow onto one large mask."""
    mask = Image.new("L", (found.width_px + 2 * MARGIN, found.height_px + 2 * MARGIN))
    for line, baseline in zip(found.lines, found.baselines_px, strict=True):
        left = MARGIN + (found.width_px - line.width_px if found.direction == "rtl" else 0)
        for run in line.runs:
            ImageDraw.Draw(mask).text(
                (left + run.x_px, MARGIN + baseline),
                run.text,
                fill=255,
                font=open_face(run.face, size_px=found.size_px),
                anchor="ls",
                direction=run.direction,
                features=list(run.features),
            )
    return mask


@pytest.mark.parametrize("font", ["inter", "poppins", "fredoka", "playfair", "space-grotesk"])
@pytest.mark.parametrize("name", TEXTS)
def test_all_ink_lies_within_the_block(font, name) -> None:
    found = fit_text(
        TEXTS[name],
        style=TextStyle(font, 700, 1.05),
        width_px=500,
        height_px=300,
        max_size_px=84,
        min_size_px=20,
    )
    ink = _unclipped(found)
    left, top, right, bottom = ink.getbbox()
    assert left >= MARGIN
    assert top >= MARGIN
    assert right <= MARGIN + found.width_px
    assert bottom <= MARGIN + found.height_px
    difference = ImageChops.difference(_drawn(found).getchannel("A"), ink)
    assert difference.getextrema()[1] <= 1


def test_rgb_and_rgba_images_show_the_same() -> None:
    found = set_text("Größe 👍🏽 عا", style=STYLE, size_px=60)
    clear = _drawn(found, mode="RGBA", colour="#ffcc00")
    flattened = Image.new("RGBA", clear.size, (0, 0, 0, 255))
    flattened.alpha_composite(clear)
    difference = ImageChops.difference(flattened.convert("RGB"), _drawn(found, mode="RGB", colour="#ffcc00"))
    assert max(high for _, high in difference.getextrema()) <= 3


def test_soft_edges_on_a_clear_image_keep_the_pure_colour() -> None:
    image = _drawn(set_text("Soft", style=STYLE, size_px=60), colour="#ff8000")
    colours = {pixel[:3] for pixel in image.get_flattened_data() if pixel[3]}
    assert colours == {(255, 128, 0)}


def test_opacity_fades_the_ink() -> None:
    found = set_text("Fade", style=STYLE, size_px=60)
    assert _drawn(found, colour=(255, 255, 255, 128)).getchannel("A").getextrema() == (0, 128)
    assert _drawn(found, colour="#ffffff80").getchannel("A").getextrema() == (0, 128)


def test_lines_are_aligned_in_the_given_width() -> None:
    found = set_text("one", style=STYLE, size_px=60)
    wide = found.width_px + 80
    start = _drawn(found, width_px=wide).getbbox()
    centre = _drawn(found, width_px=wide, align="center").getbbox()
    assert centre[0] - start[0] == 40


def test_right_to_left_lines_end_at_the_right_edge() -> None:
    found = set_text("من؟", style=STYLE, size_px=60)
    image = Image.new("RGBA", (600, 200))
    draw_text(image, found, x=100, y=20, width_px=400, colour="#ffffff")
    assert image.getbbox()[2] == pytest.approx(500, abs=4)


def test_drawing_over_the_edge_of_the_image_is_cut_off() -> None:
    found = set_text("edge", style=STYLE, size_px=80)
    whole = _drawn(found)
    for mode in ("RGB", "RGBA"):
        image = Image.new(mode, (90, 60))
        draw_text(image, found, x=-40, y=-20, width_px=found.width_px, colour="#ffffff")
        expected = whole.crop((MARGIN + 40, MARGIN + 20, MARGIN + 130, MARGIN + 80))
        assert image.getchannel(0).getextrema()[1] == expected.getchannel("A").getextrema()[1] == 255
        draw_text(image, found, x=500, y=500, width_px=10, colour="#ffffff")


@pytest.mark.parametrize("text", ["Hello", "في عام 2007", "👍🏽👩🏻‍🤝‍👨🏿"])
def test_the_same_text_gives_the_same_pixels(text) -> None:
    found = set_text(text, style=STYLE, size_px=70)
    assert _drawn(found).tobytes() == _drawn(found).tobytes()


def _share(image: Image.Image, colour: tuple[int, int, int]) -> float:
    pixels = [pixel for pixel in image.get_flattened_data() if pixel[3] == 255]
    near = [p for p in pixels if all(abs(a - b) <= 4 for a, b in zip(p, colour, strict=False))]
    return len(near) / len(pixels)


@pytest.mark.parametrize(
    ("emoji", "tone"),
    [
        ("👍🏻", (247, 222, 206)),
        ("👍🏽", (213, 171, 136)),
        ("👍🏿", (124, 83, 62)),
        ("👩🏾‍🚀", (175, 126, 87)),
        # A silhouette and an open line, which have no inside to paint.
        ("🏃🏽", (213, 171, 136)),
        ("👂🏽", (213, 171, 136)),
        # A pair that the font does not join with modifiers.
        ("👪🏽", (213, 171, 136)),
    ],
)
@pytest.mark.parametrize("ink", ["#ffffff", "#101020"])
def test_a_skin_tone_is_seen_in_text_of_any_colour(emoji, tone, ink) -> None:
    image = _drawn(set_text(emoji, style=STYLE, size_px=80), colour=ink)
    assert _share(image, tone) > 0.1
    outline = (255, 255, 255) if ink == "#ffffff" else (16, 16, 32)
    assert _share(image, outline) > 0.08


def test_two_people_keep_their_own_tones() -> None:
    image = _drawn(set_text("👩🏻‍🤝‍👨🏿", style=STYLE, size_px=80))
    assert _share(image, (247, 222, 206)) > 0.1
    assert _share(image, (124, 83, 62)) > 0.1


def test_an_emoji_without_tone_has_the_texts_colour_alone() -> None:
    image = _drawn(set_text("👍", style=STYLE, size_px=80), colour="#3366ff")
    assert {p[:3] for p in image.get_flattened_data() if p[3]} == {(0x33, 0x66, 0xFF)}


def test_a_toned_emoji_takes_no_more_room() -> None:
    plain, toned = (set_text(text, style=STYLE, size_px=80) for text in ("🏃", "🏃🏽"))
    assert (plain.width_px, plain.height_px) == (toned.width_px, toned.height_px)
