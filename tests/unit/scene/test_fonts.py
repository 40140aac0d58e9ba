import pytest
from PIL import ImageFont

from trivia_render.errors import ProgramMissingError
from trivia_render.scene import fonts
from trivia_render.scene.fonts import covers, drawn, lenders, load_font, open_face, theme_face

NAMES = ["inter", "poppins", "fredoka", "playfair", "space-grotesk"]


def _stem(cluster: str, *, name="inter", borrowed=()) -> str:
    return drawn(cluster, name=name, weight=700, borrowed=borrowed).face.path.stem.split("[")[0]


@pytest.fixture
def fresh_caches():
    caches = [fonts.theme_face, fonts.open_face, fonts._font_file, fonts._fallback_face, fonts.drawn]
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.mark.parametrize("name", NAMES)
def test_every_typeface_is_shaped_by_raqm(name) -> None:
    assert load_font(name, weight=600, size_px=60).layout_engine == ImageFont.Layout.RAQM


@pytest.mark.parametrize("name", NAMES)
def test_every_typeface_has_all_of_ascii(name) -> None:
    assert covers(theme_face(name, weight=600), "".join(map(chr, range(0x20, 0x7F))))


@pytest.mark.parametrize("name", NAMES)
def test_a_bolder_weight_has_more_ink(name) -> None:
    light, bold = (sum(bytes(load_font(name, weight=w, size_px=60).getmask("Hamburg"))) for w in (400, 700))
    assert bold > 1.1 * light


@pytest.mark.parametrize("name", NAMES)
def test_a_weight_beyond_the_typefaces_range_is_clamped(name) -> None:
    assert load_font(name, weight=1000, size_px=40).getlength("a") > 0


def test_a_font_is_opened_once_for_a_size() -> None:
    assert load_font("inter", weight=700, size_px=61) is load_font("inter", weight=700, size_px=61)


def test_pillow_without_raqm_is_an_error_with_a_remedy(monkeypatch, fresh_caches) -> None:
    monkeypatch.setattr(fonts.features, "check", lambda feature: False)
    with pytest.raises(ProgramMissingError, match="no raqm") as caught:
        load_font("inter", weight=700, size_px=60)
    assert "make setup" in caught.value.remedy


def test_a_missing_font_package_is_an_error_that_names_it(monkeypatch, fresh_caches) -> None:
    monkeypatch.setattr(fonts.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(ProgramMissingError, match="fontpkg-fredoka"):
        load_font("fredoka", weight=700, size_px=60)


def test_a_font_file_that_is_not_one_is_an_error(tmp_path) -> None:
    path = tmp_path / "Broken[wght].ttf"
    path.write_bytes(b"no font")
    with pytest.raises(ProgramMissingError, match="Broken"):
        open_face(fonts.Face(path, 400), size_px=20)


@pytest.mark.parametrize(
    ("cluster", "stem"),
    [
        ("A", "Inter"),
        ("é", "Inter"),
        ("Ж", "Inter"),
        ("ع", "NotoSansArabic"),
        ("ש", "NotoSansHebrew"),
        ("क्षि", "NotoSansDevanagari"),
        ("ที่", "NotoSansThai"),
        ("த", "NotoSansTamil"),
        ("ა", "NotoSansGeorgian"),
        ("አ", "NotoSansEthiopic"),
        ("😀", "NotoEmoji"),
        ("🇫🇷", "NotoEmoji"),
        ("1️⃣", "NotoEmoji"),
        ("👩🏽‍🚀", "NotoEmoji"),
        ("❤️", "NotoEmoji"),
        ("™", "Inter"),
        ("1", "Inter"),
    ],
)
def test_each_script_finds_its_face(cluster, stem) -> None:
    assert _stem(cluster) == stem
    assert not drawn(cluster, name="inter", weight=700).missing


def test_text_presentation_of_a_pictograph_is_respected() -> None:
    assert _stem("✓\ufe0e") == "Inter"


def test_a_character_that_no_face_has_is_reported_and_gets_the_themes_box() -> None:
    theme = theme_face("fredoka", weight=700)
    assert drawn("漢", name="fredoka", weight=700) == (theme, "漢", "漢")
    assert drawn("\U0010fffd", name="fredoka", weight=700) == (theme, "\U0010fffd", "\U0010fffd")


def test_only_the_unknown_mark_of_a_cluster_is_missing() -> None:
    found = drawn("a\U00010a0c", name="inter", weight=700)
    assert found.face == theme_face("inter", weight=700)
    assert found.missing == "\U00010a0c"


def test_letters_in_another_style_are_drawn_as_the_plain_letter() -> None:
    assert drawn("𝐀", name="inter", weight=700).text == "A"
    assert drawn("Ａ", name="inter", weight=700).text == "A"
    assert drawn("①", name="inter", weight=700).text == "①"


def test_the_non_breaking_hyphen_looks_like_the_other() -> None:
    assert drawn("\u2011", name="poppins", weight=700) == (theme_face("poppins", weight=700), "-", "")


def test_devanagari_digits_are_not_drawn_as_european_ones() -> None:
    assert _stem("क", name="poppins") == "Poppins-Bold"
    assert _stem("१", name="poppins") == "NotoSansDevanagari"


def test_the_basmala_can_be_drawn_in_bold_text() -> None:
    face = drawn("﷽", name="inter", weight=700).face
    assert open_face(face, size_px=60).getmask("﷽").size[0] > 100


@pytest.mark.parametrize("text", ["zażółć gęślą jaźń", "Thủ đô", "Příliš žluťoučký"])
def test_a_typeface_without_some_letters_lends_the_whole_alphabet(text) -> None:
    borrowed = lenders(text, name="fredoka", weight=600)
    assert [script for script, _ in borrowed] == ["Latin"]
    faces = {_stem(letter, name="fredoka", borrowed=borrowed) for letter in f"{text}0,?" if letter != " "}
    assert len(faces) == 1
    assert not faces & {"Fredoka"}


def test_options_of_one_language_share_a_typeface() -> None:
    with_accents = lenders("Łódź", name="fredoka", weight=600, language="pl")
    without = lenders("Warszawa", name="fredoka", weight=600, language="pl-PL")
    assert with_accents == without == (("Latin", "poppins"),)


def test_a_complete_typeface_borrows_nothing() -> None:
    assert lenders("zażółć Ελλάδα Россия", name="inter", weight=600, language="pl") == ()


def test_emoji_stay_in_their_font_when_an_alphabet_is_borrowed() -> None:
    borrowed = lenders("żółć", name="fredoka", weight=600)
    assert _stem("😀", name="fredoka", borrowed=borrowed) == "NotoEmoji"
