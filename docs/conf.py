"""How Sphinx builds this site (`make docs`): Markdown by MyST; what the code says of itself where pages ask for it.

A line `<!-- from code: NAME -->` of a page is replaced by what `from_code.PAGES[NAME]` makes, so no key, option, task
or rule is written down twice.
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]

from from_code import PAGES  # noqa: E402

project = "fgtrain"
author = "The fgtrain authors"
copyright = "The fgtrain authors, Apache-2.0"
extensions = ["myst_parser"]
exclude_patterns = ["from_code"]
myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
nitpicky = True
html_theme = "alabaster"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"description": "Fine-grained without forgetting", "fixed_sidebar": False, "page_width": "1100px"}
html_sidebars = {"**": ["about.html", "searchfield.html", "navigation.html"]}
html_show_sourcelink = False
html_copy_source = False
PLACEHOLDER = re.compile(r"^<!-- from code: (\w+) -->$", re.MULTILINE)


def fill_in(app, page: str, text: list[str]) -> None:
    """Replace each placeholder of a page; a name that nothing makes is a KeyError, so the build ends."""
    text[0] = PLACEHOLDER.sub(lambda match: PAGES[match[1]](), text[0])


def setup(app) -> None:
    app.connect("source-read", fill_in)
