"""The page in a real browser: Voilà serves it, Chromium types a sentence, clicks a picture and reads what appears."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from small_root import write_photo

pytest.importorskip("voila", reason="voila is not installed (extra demo)")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra browser)")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (apt-get install chromium)")
PATIENCE = 240_000  # milliseconds for a kernel to import torch beside other work
SHOWN = """tiles => tiles.filter(tile => tile.offsetHeight > 40)
    .map(tile => getComputedStyle(tile).backgroundImage.slice(0, 20) + " " + tile.innerText)"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def served(model, tmp_path):
    """The address of the page of a tiny model on fifteen photos; the server is gone after the test."""
    for number in range(15):
        write_photo(tmp_path / "my photos" / f"{number}.jpg", (64, 48), seed=number)
    (tmp_path / "my photos" / "broken.jpg").write_text("no picture")
    saved, port = model.save(tmp_path / "model"), free_port()
    command = [sys.executable, "-m", "cliplite_core", "demo", str(saved), f"images={tmp_path / 'my photos'}"]
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen([*command, f"port={port}", "browser=no"], stdout=log, stderr=subprocess.STDOUT)
    yield f"http://localhost:{port}", tmp_path / "log", server
    server.terminate()
    server.wait()
    log.close()


def wait_for(address: str, log: Path, server: subprocess.Popen) -> None:
    """Return once the server answers; a server that has ended shows why."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while server.poll() is None:
        try:
            opener.open(f"{address}/voila/static/none", timeout=10)
        except urllib.error.HTTPError:  # it answers, if only that there is no such file
            return
        except OSError:
            continue
    raise AssertionError(log.read_text())


def test_a_sentence_shows_pictures_and_a_click_shows_what_the_model_says_of_one(served):
    wait_for(*served)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(PATIENCE)
        errors, elsewhere = [], []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda asked: elsewhere.append(asked.url) if "localhost" not in asked.url else None)
        page.goto(served[0], wait_until="domcontentloaded")
        page.wait_for_selector(".explore-tile")
        assert "15 pictures" in page.inner_text(".explore-head")

        page.fill(".explore-row input", "the moon over a field")
        page.keyboard.press("Enter")
        page.wait_for_selector(".explore-status >> text=the moon over a field")
        tiles = page.eval_on_selector_all(".explore-tile", SHOWN)
        assert len(tiles) == 12 and all(tile.startswith('url("data:image/jpeg') for tile in tiles), tiles

        page.click(".explore-tile >> nth=4")
        page.wait_for_selector(".explore-picture img")
        page.wait_for_selector(".explore-answers >> text=the model knows no word of 'pizza'")
        assert page.locator(".explore-bars >> nth=0 >> li").count() == 5
        plain = page.get_attribute(".explore-picture img", "src")
        page.fill(".explore-answers input >> nth=0", "a dog")
        page.keyboard.press("Enter")
        page.wait_for_function("plain => document.querySelector('.explore-picture img').src != plain", arg=plain)
        page.fill(".explore-answers input >> nth=1", "moon, cat")
        page.keyboard.press("Enter")
        page.wait_for_selector(".explore-bars >> nth=1")
        assert page.locator(".explore-bars >> nth=1 >> li").count() == 2

        width = page.evaluate("document.querySelector('.explore').scrollWidth")
        assert width <= 390, "nothing is cut off on a phone"
        assert page.title() == "CLIP-Lite: explore"
        browser.close()
    assert errors == []
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == [], "the page asks nobody else"
    assert "1 cannot be read" in served[1].read_text()


def test_a_page_without_a_server_program_says_how_to_get_it(model, tmp_path, monkeypatch, capsys):
    from cliplite_core.__main__ import main

    monkeypatch.setattr("cliplite_core.commands.demo.find_spec", lambda _: None)
    assert main(["demo", str(model.save(tmp_path / "model"))]) == 2
    assert "pip install voila" in capsys.readouterr().err and os.environ.get("JUPYTER_PATH", "") == ""
