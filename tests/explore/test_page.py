"""The page by its widgets, as a kernel sees it: what a click or a text changes."""

from __future__ import annotations

import re

import pytest
from small_root import write_photo
from tiny import CAPTIONS

from cliplite_core.explore.explorer import Explorer
from cliplite_core.explore.index import update_index
from cliplite_core.explore.page import Page


@pytest.fixture
def explorer(model, tmp_path) -> Explorer:
    for number in range(5):
        write_photo(tmp_path / "photos" / f"<b>{number}.jpg", (48, 32), seed=number)
    return Explorer(model, update_index(model, tmp_path / "photos"), [*CAPTIONS, "<script>alert(1)</script>"])


@pytest.fixture
def page(explorer) -> Page:
    return Page(explorer, ["the moon", "a dog"], "cat, dog", k=4)


def shown(page: Page) -> list[str]:
    return [tile.description for tile in page.tiles if tile.layout.display != "none"]


def test_the_first_example_is_searched_for_at_the_start(page, explorer):
    assert page.found == explorer.pictures("the moon", 4) and page.words.value == "the moon"
    assert shown(page) == [f"{cosine:.2f}" for _, cosine in page.found]
    assert len(re.findall(r"background-image:url\(data:image/jpeg", page._thumbnails.value)) == 4


def test_a_sentence_that_is_typed_changes_the_pictures(page, explorer):
    page.words.value = "two birds"
    assert page.found == explorer.pictures("two birds", 4) and "two birds" in page.status.value
    before = page._thumbnails.value
    page.words.value = "  "
    assert page._thumbnails.value == before, "no words, no search"


def test_fewer_pictures_than_places_leave_none_of_a_former_search(explorer):
    page = Page(explorer, ["the moon"], "cat, dog", k=8)
    assert len(shown(page)) == 5 and [tile.tooltip for tile in page.tiles][5:] == [None] * 3


def test_a_click_opens_the_picture_with_its_sentences_and_names(page, explorer):
    assert page.detail.layout.display == "none"
    page.tiles[2].click()
    path = page.found[2][0]
    assert page.opened == path and page.detail.layout.display is None
    assert re.findall(r"<span>(.*?)</span>", page.named.value) == [
        name for name, _ in explorer.name(path, ["cat", "dog"])
    ]
    sentences = re.findall(r"<span>(.*?)</span>", page.described.value)
    assert len(sentences) == 5 and page.picture.value.startswith('<img src="data:image/jpeg')


def test_words_lay_their_heat_over_the_picture_and_another_picture_is_plain_again(page):
    page.where.value = "a dog"  # nothing is open yet
    assert page.picture.value == ""
    page.tiles[0].click()
    plain = page.picture.value
    page.where.value = "the moon"
    assert page.picture.value.partition("alt")[0] != plain.partition("alt")[0]
    page.tiles[0].click()
    assert page.picture.value == plain and page.where.value == ""


def test_names_of_ones_own_are_ranked_and_one_alone_is_no_choice(page):
    page.tiles[0].click()
    page.names.value = "moon, moon, a red dog,"
    assert set(re.findall(r"<span>(.*?)</span>", page.named.value)) == {"moon", "a red dog"}
    page.names.value = "moon"
    assert "Two names or more" in page.named.value


def test_more_like_this_begins_with_the_picture_itself(page):
    page.tiles[1].click()
    page.search_like(page.opened)
    assert page.found[0][0] == page.opened


def test_what_a_file_or_a_sentence_is_called_is_never_markup(page):
    page.tiles[0].click()
    assert "&lt;b&gt;" in page.status.value and "&lt;script&gt;" in page.described.value
    assert "<script" not in page.described.value and "<b>" not in page.status.value + page.picture.value
    page.words.value = "<img src=x onerror=alert(1)>"
    assert "<img" not in page.status.value


def test_a_picture_that_has_gone_is_said_on_the_page(page):
    page.found[0][0].unlink()
    page.tiles[0].click()
    assert re.match("<b>.*(not found|is not there)", page.status.value)


def test_a_notebook_that_shows_no_widgets_says_what_to_do(page):
    bundle = page._repr_mimebundle_()
    assert bundle["text/plain"] == "[the page: run this notebook, or `make demo`]"
    assert "application/vnd.jupyter.widget-view+json" in bundle
