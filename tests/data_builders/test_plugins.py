"""Users' own things by entry points: what is wrong is said with the package, and the code is all of the package's."""

import pytest
from extending_pages import installed

from data_builders.shared.code_imports import source_file
from data_builders.shared.errors import UserError
from data_builders.shared.plugins import Plugins

OWN = Plugins("some.things", "a function of nothing", ("built_in",))
FILES = {
    "theirs/__init__.py": "",
    "theirs/one.py": "from .deep.helper import VALUE\n\ndef one(**options):\n    return options or VALUE\n\nX = 1\n",
    "theirs/deep/helper.py": "VALUE = 1\n",  # a folder without __init__.py
    "theirs/apart.py": "import one_that_is_missing\n",
    "theirs/named.py": "from importlib import import_module\n\ndef one(name):\n    return import_module(name)\n",
}


def write(folder, files=FILES):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


@pytest.mark.parametrize(
    ("points", "ask", "message"),
    [
        ({"built_in": "theirs.one:one"}, OWN.installed, "theirs 1.0: .* takes a name that this program has"),
        ({"x": "theirs.none:one"}, lambda: OWN.load("x"), "theirs 1.0: entry point x = 'theirs.none:one' .*No module"),
        ({"x": "theirs.apart:one"}, lambda: OWN.load("x"), "one_that_is_missing.* Expected is a function of nothing"),
        ({"x": "theirs.one:X"}, lambda: OWN.load("x"), "is a int; expected is a function of nothing"),
        ({"x": "theirs.one:one"}, lambda: OWN.make("x", {}, "the.key", str), "makes a int; expected"),
        ({"x": "theirs.named:one"}, lambda: OWN.make("x", {"a": 1}, "the.key", str), "the.key is {'a': 1}, .*'a'"),
        ({"x": "theirs.named:one"}, lambda: OWN.code("x"), "cannot be told: .*named.py, line 4"),
        ({"x": "theirs.none:one"}, lambda: OWN.code("x"), "cannot be told: no module theirs.none"),
        ({"x": "nowhere:one"}, lambda: OWN.code("x"), "there is no module nowhere. Install package theirs 1.0 anew"),
    ],
)
def test_what_is_wrong_is_said_with_the_package_and_what_was_expected(points, ask, message, tmp_path):
    write(tmp_path)
    with installed(tmp_path, {OWN.group: points}), pytest.raises(UserError, match=message):
        ask()


def test_two_packages_with_one_name_are_refused_and_one_that_is_found_twice_is_one(tmp_path):
    write(tmp_path)
    same, other = ({OWN.group: {"x": f"theirs.{module}:one"}} for module in ("one", "apart"))
    with installed(tmp_path, same), installed(tmp_path / "again", same, "copy"):
        assert OWN.make("x", {"a": 1}, "the.key", dict) == {"a": 1}
    with installed(tmp_path / "more", same), installed(tmp_path / "others", other, "others"):
        with pytest.raises(UserError, match=r"takes a name that package \w+ 1\.0 has with theirs\.\w+:one\. Rename"):
            OWN.installed()
    assert OWN.installed() == {}


def test_code_is_what_the_module_imports_of_its_own_package(tmp_path):
    write(tmp_path)
    with installed(tmp_path, {OWN.group: {"x": "theirs.one:one"}}):
        before = OWN.code("x")
        (tmp_path / "theirs/apart.py").write_text("SOMETHING = 'else'\n")
        source_file.cache_clear()
        assert OWN.code("x") == before
        (tmp_path / "theirs/deep/helper.py").write_text("VALUE = 2\n")
        source_file.cache_clear()
        after = OWN.code("x")
    assert before.keys() == {"theirs/one.py", "theirs/deep/helper.py"}
    assert [path for path in before if before[path] != after[path]] == ["theirs/deep/helper.py"]
