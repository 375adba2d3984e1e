"""The built book in a real browser: search finds, every image loads, nothing is asked of the network."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib import util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MISSING = [name for name in ("sphinx", "myst_nb", "mathjax") if util.find_spec(name) is None]
# How many equations are wider than the place they have, and can be scrolled there.
SCROLLED = """[...document.querySelectorAll('mjx-container[display]')].filter(equation =>
    equation.scrollWidth > equation.clientWidth && getComputedStyle(equation).overflowX === 'auto').length"""
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the extra `book` is not installed: no {', '.join(MISSING)}")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tells nobody of each request."""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The whole book, built once with every warning an error: a dead link or anchor among them stops it here."""
    out = tmp_path_factory.mktemp("book")
    done = subprocess.run([sys.executable, "-m", "book", "--out", str(out)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def page(site):
    """A page of the browser, with everything it complained of and asked for."""
    if BROWSER is None:
        pytest.skip("no Chromium; apt-get install chromium")
    sync_playwright = pytest.importorskip("playwright.sync_api", reason="the extra `book` is missing").sync_playwright
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)  # a machine that trains beside it is slow
        page.root = f"http://127.0.0.1:{server.server_port}/"
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("response", lambda got: page.complaints.append(got.url) if got.status >= 400 else None)
        yield page
        browser.close()
    server.shutdown()


def test_the_book_has_its_chapters_and_its_own_mathjax(site):
    chapters = sorted(path.stem for path in (site / "notebooks").glob("*.html"))
    assert chapters == sorted(path.stem for path in (ROOT / "results" / "scenes" / "notebooks").glob("[0-9]*.ipynb"))
    assert (
        "tex-chtml.js" in (site / "five_minutes.html").read_text() and "//cdn" not in (site / "index.html").read_text()
    )
    assert len(list((site / "_static" / "mathjax").rglob("*.woff"))) > 10


def test_search_finds_softplus(page):
    page.goto(f"{page.root}search.html?q=softplus")
    page.wait_for_selector("#search-results li a")
    found = page.eval_on_selector_all("#search-results li a", "links => links.map(link => link.href)")
    assert any("five_minutes" in link for link in found) and any("objectives" in link for link in found)


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_load_whole_and_fit_their_width(page, site, width):
    page.set_viewport_size({"width": width, "height": 900})
    shown = ["index.html", "five_minutes.html", "functions.html", "configuration.html", "results/scenes/index.html"]
    for name in [*shown, *(f"notebooks/{path.name}" for path in sorted((site / "notebooks").glob("0[147]*.html")))]:
        page.goto(page.root + name)
        page.evaluate("document.querySelectorAll('img').forEach(image => { image.loading = 'eager'; })")
        page.wait_for_load_state("networkidle")
        broken = "[...document.images].filter(image => !image.complete || !image.naturalWidth).map(image => image.src)"
        assert page.evaluate(broken) == [], name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_every_page_fits_a_small_phone_and_a_wide_equation_scrolls_by_itself(page, site):
    page.set_viewport_size({"width": 320, "height": 900})
    written = [path.relative_to(site) for path in sorted(site.rglob("*.html"))]
    scrolled = 0
    for name in [name for name in written if not name.parts[0].startswith(("_", "genindex", "py-modindex", "search"))]:
        page.goto(f"{page.root}{name}")
        page.evaluate("window.MathJax && MathJax.startup.promise")  # set, equations are wider than before
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
        scrolled += page.evaluate(SCROLLED)
    assert scrolled > 5


def test_equations_are_set_and_lead_to_their_functions(page):
    page.goto(f"{page.root}five_minutes.html")
    page.wait_for_selector("mjx-container")
    page.click("article a:has-text('jsd_bound')")
    assert "objectives.html#cliplite_core.objectives.jsd_bound" in page.url
    assert "equation (1)" in page.inner_text("dl:has(#cliplite_core\\.objectives\\.jsd_bound) >> nth=0")


def test_both_colour_schemes_can_be_read(page):
    page.goto(f"{page.root}index.html")
    colours = set()
    for scheme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{scheme}'")
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


def test_nothing_was_asked_of_the_network_and_no_page_complained(page):
    """Last, over all that the tests above opened."""
    assert [url for url in page.asked if not url.startswith((page.root, "data:"))] == []
    assert page.complaints == []
