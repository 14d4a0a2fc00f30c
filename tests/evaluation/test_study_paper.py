"""Nothing of a study's page is cut: what it says stands in its PDF, and no screen has to be moved sideways."""

import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser

import pytest
from study_answer_fakes import made_answer

from evaluation.report.study_page import answer_page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BROWSER = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--hide-scrollbars"]
HIDDEN = ("unseen", "only-narrow", "narrow", "defs")  # not for paper
EMPTY = ("meta", "br", "wbr", "path", "line", "rect", "circle", "img")

pytestmark = pytest.mark.skipif(CHROMIUM is None or shutil.which("pdftotext") is None, reason="needs a browser")


def page_of(arms, folder):
    path = folder / "report.html"
    path.write_text(
        answer_page(
            made_answer(arms, 5), path, {"side_by_side": False, "beside": "runs.html", "beside_seed": 17}
        ).html()
    )
    return path


class Visible(HTMLParser):
    """The words a reader of paper should find."""

    def __init__(self, text):
        super().__init__()
        self.hidden, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        away = tag in ("style", "title", "script") or any(one in HIDDEN for one in (given.get("class") or "").split())
        away |= "hidden" in given
        if tag not in EMPTY:
            self.hidden.append(away)

    def handle_endtag(self, tag):
        if tag not in EMPTY:
            self.hidden.pop()

    def handle_data(self, data):
        if not any(self.hidden):
            self.words += words(data)


def words(text):
    return [word for one in re.findall(r"[^\s\-]+", text) if (word := one.strip(",;.:()"))]


def test_the_pdf_says_all_that_the_page_says(tmp_path):
    page = page_of(36, tmp_path)
    subprocess.run([*BROWSER, f"--print-to-pdf={tmp_path / 'r.pdf'}", page.as_uri()], capture_output=True, check=True)
    text = subprocess.run(["pdftotext", "-raw", tmp_path / "r.pdf", "-"], capture_output=True, check=True, text=True)
    wanted, found = Counter(Visible(page.read_text()).words), Counter(words(text.stdout))
    whole = re.sub(r"[\s\-]+", "", text.stdout)
    assert not [word for word in wanted if word not in found and word not in whole]
    numbers = {word: count for word, count in wanted.items() if re.fullmatch(r"[\d.,]+", word)}
    assert len(numbers) > 400
    assert not {word: (count, found[word]) for word, count in numbers.items() if found[word] < count}


def titled(page, script, width):
    """What `script`, added to the page, puts into its title."""
    text = re.sub(r"; script-src '[^']*'", "", page.read_text()).replace("default-src 'none'; ", "")
    page.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    dumped = subprocess.run(
        [*BROWSER, f"--window-size={width},900", "--dump-dom", page.as_uri()],
        capture_output=True,
        check=True,
        text=True,
    )
    return re.search(r"<title>(.*?)</title>", dumped.stdout)[1]


CHOICE = """
const strong = () => slots.map((one) => one ?? "").join(), said = [strong()];
const grey = (what) => [...document.querySelectorAll(what)].find(
  (one) => !slots.includes(numberOf(one)) && one.getBoundingClientRect().width);
const act = (one, event) => { one.dispatchEvent(event); said.push(numberOf(one), strong()); };
const click = () => new MouseEvent("click", { bubbles: true });
const enter = () => new KeyboardEvent("keydown", { key: "Enter", bubbles: true });
act(grey(".arms tbody tr"), click());
act(grey("path.arm"), click());
act(grey("g.large"), click());
const chip = grey(".arms th .chip");
chip.focus();
act(chip, enter());
said.push(document.activeElement === chip && chip.getAttribute("aria-pressed"));
act(chip, enter());
document.title = said.join(" ");
"""


def test_a_click_or_enter_draws_an_arm_strongly_and_six_at_most(tmp_path):
    said = titled(page_of(12, tmp_path), CHOICE, 1300).split()
    pressed = said.pop(9)
    now = said.pop(0).split(",")
    assert (pressed, len(now)) == ("true", 6)
    for arm, after in [*zip(said[::2], said[1::2], strict=True)][:4]:
        after = after.split(",")
        assert arm not in now
        assert sum(one == other for one, other in zip(now, after, strict=True)) == 5  # one made room for it
        assert arm in after
        now = after
    assert said[-1].split(",") == ["" if one == said[-2] else one for one in now]


@pytest.mark.parametrize("width", [500, 1300])
def test_no_screen_has_to_be_moved_sideways(tmp_path, width):
    """500 pixels are the narrowest window a headless browser opens. A name without a break stays in its cell."""
    page = page_of(8, tmp_path)
    page.write_text(page.read_text().replace("sft-with_0_passes", "sft" * 30))
    script = "document.title = [innerWidth, document.documentElement.scrollWidth, " + (
        "Math.ceil(Math.max(...[...document.querySelectorAll('.chip bdi')].map(one => "
        "one.getBoundingClientRect().right - one.closest('th, td, p').getBoundingClientRect().right))), "
        "...[...document.querySelectorAll('table')].map(one => one.scrollWidth)]"
    )
    inner, page_width, over, *widths = map(int, titled(page, script, width).split(","))
    assert over <= 0
    assert inner <= width
    assert max(page_width, *widths) <= inner
