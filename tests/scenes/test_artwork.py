from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from cliplite_core.scenes.artwork import ATTRIBUTION, openmoji, trim, twemoji
from cliplite_core.scenes.vocabulary import GENDERS, SKIN_TONES, activities, concepts


def same_pixels(a: Image.Image, b: Image.Image) -> bool:
    return a.size == b.size and ImageChops.difference(a, b).getextrema() == ((0, 0),) * 4


def test_trim_cuts_to_the_visible_pixels_and_ignores_faint_ones():
    image = Image.new("RGBA", (30, 20))
    image.paste((255, 0, 0, 255), (4, 6, 14, 11))
    image.putpixel((29, 19), (255, 0, 0, 8))
    assert trim(image).size == (10, 5)


@pytest.mark.parametrize("artwork", [twemoji, openmoji])
def test_every_concept_is_drawn_without_an_empty_margin(artwork):
    for concept in concepts().values():
        drawing = artwork(concept.emoji)
        assert drawing.mode == "RGBA"
        assert same_pixels(trim(drawing), drawing), concept.name
        assert 30 <= max(drawing.size) <= 72, concept.name


@pytest.mark.parametrize("artwork", [twemoji, openmoji])
def test_every_activity_is_drawn_for_both_genders_in_every_skin_tone(artwork):
    for activity in activities().values():
        drawings = [artwork(activity.emoji(gender, tone)) for gender in GENDERS for tone in SKIN_TONES]
        for i, drawing in enumerate(drawings):
            assert not any(same_pixels(drawing, other) for other in drawings[:i]), activity.name


def test_a_variation_selector_makes_no_difference():
    assert same_pixels(twemoji("\u2602"), twemoji("\u2602\ufe0f"))
    assert same_pixels(openmoji("\u2602"), openmoji("\u2602\ufe0f"))


def test_the_two_artworks_differ():
    assert not same_pixels(twemoji("🐶"), openmoji("🐶"))


def test_openmoji_is_rendered_at_the_size_asked_for():
    small, large = openmoji("🐶", 72), openmoji("🐶", 144)
    assert large.width == pytest.approx(2 * small.width, abs=3)


@pytest.mark.parametrize(("artwork", "name"), [(twemoji, "Twemoji"), (openmoji, "OpenMoji")])
def test_a_missing_emoji_is_named_in_the_error(artwork, name):
    with pytest.raises(FileNotFoundError, match=rf"{name} has no drawing .*U\+1F436 U\+1F355"):
        artwork("🐶🍕")


def test_both_licences_are_attributed():
    for needed in ("Twemoji", "CC-BY 4.0", "OpenMoji", "CC BY-SA 4.0"):
        assert needed in ATTRIBUTION
