"""A built set is known by the code that built it: other code builds it anew, over what lies there, and pays nothing."""

import json
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from fake_endpoint import KEY, endpoint
from frow_fakes import mark, review
from small_sources import make_cub

from data_builders import builder_code
from data_builders.build import build, same_build
from data_builders.built_from import RECORD
from data_builders.shared.code_identity import TOP, CodeIdentity
from data_builders.shared.errors import UserError

TINY = {"pixels": 32, "train_images_per_species": 1, "test_images_per_species": 1}
WORLD = {**TINY, "general_train": 3, "general_test": 2, "processes": 1}
OTHER_CODE = CodeIdentity("0" * 16, {"data_builders/templates.py": "1"})


def files(folder: Path) -> dict[str, bytes]:
    found = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != RECORD)  # which holds times
    return {str(p.relative_to(folder)): p.read_bytes() for p in found}


def stamps(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def as_by_other_code(manifest: Path) -> None:
    """Makes a finished set one that other code has built."""
    told = json.loads(manifest.read_text())
    told["code"]["hash"] = "f" * 16
    told["code"]["files"]["data_builders/records.py"] = "f"
    manifest.write_text(json.dumps(told))


@pytest.fixture
def cub(tmp_path):
    return make_cub(tmp_path / "CUB_200_2011")


def call(what: str, tmp_path: Path, cub: Path, texts: Path) -> tuple[Path | None, Path, dict]:
    """(root, folder of the manifest, options) of a small call into tmp_path / "out"."""
    out = tmp_path / "out"
    if what == "drawn":
        return None, out, {"source": "cars", **TINY}
    if what == "world":
        return None, out, WORLD
    if what in ("unpack", "general"):
        source = "cifar100" if what == "unpack" else "chartqa"
        build("drawn", root=None, out=tmp_path / source, options={"source": source, **TINY})
        if what == "unpack":
            return tmp_path / source, out, {"source": source}
        return tmp_path / source, out / "general/chartqa", {"benchmark": source, "allow_partial": True}
    more = {"open_world": {"texts": str(texts), "frow": "none"}, "frow": {"texts": str(texts)}}.get(what, {})
    track = "human-oriented/hierarchical_granularity_recognition/cub"
    folder = {"fgbmk": out / "FG-BMK" / track, "frow": out / "FROW/built/cub"}.get(what, out)
    if what == "fgbmk":
        more = {"tracks": ["hierarchy"]}
    return cub, folder, {"source": "cub", **more}


@pytest.mark.parametrize(
    "what",
    ["short_answer", "questions", "mosaic", "open_world", "fgbmk", "frow", "unpack", "general", "drawn", "world"],
)
def test_other_code_builds_anew_and_says_why(what, tmp_path, cub, texts, capsys):
    root, folder, options = call(what, tmp_path, cub, texts)
    builder, out = "drawn" if what == "world" else what, tmp_path / "out"
    build(builder, root=root, out=out, options=options)
    fresh, when = files(out), stamps(out)
    capsys.readouterr()
    build(builder, root=root, out=out, options=options)
    assert stamps(out) == when, "the same code touches nothing"
    assert "anew" not in capsys.readouterr().err

    as_by_other_code(folder / "manifest.json")
    assert not same_build(out, builder, options, root)
    build(builder, root=root, out=out, options=options)
    why = "code of data_builders/records.py changed since it was built; built anew"
    assert f"{builder}: {folder}: {why}" in capsys.readouterr().err.splitlines()
    assert files(out) == fresh
    assert same_build(out, builder, options, root)


@pytest.mark.parametrize(
    ("what", "edited"),
    [
        *((what, "classes.txt") for what in ("short_answer", "questions", "mosaic", "open_world", "fgbmk", "frow")),
        *(("caption", "images/001.Red_Jay/Red_Jay_0000.jpg"), ("fgbmk", "images/001.Red_Jay/Red_Jay_0003.jpg")),
        *(("unpack", "*/train.bin"), ("general", "**/test_human.json"), ("general", "**/*.png")),
    ],
)
def test_another_source_builds_anew_and_says_why(what, edited, tmp_path, cub, texts, capsys):
    root, folder, options = call(what, tmp_path, cub, texts)
    build(what, root=root, out=tmp_path / "out", options=options)
    path = next(root.glob(edited))
    with open(path, "ab") as file:
        file.write(b"\n")  # which changes nothing in what is read, and in a picture its size
    assert not same_build(tmp_path / "out", what, options, root)
    capsys.readouterr()
    with pytest.raises(UserError, match="cut off") if what == "unpack" else nullcontext():
        build(what, root=root, out=tmp_path / "out", options=options)
    said = capsys.readouterr().err
    assert f"{what}: {folder}: its source has changed (" in said
    assert path.name in said
    if what != "unpack":
        assert same_build(tmp_path / "out", what, options, root)


def test_of_several_sources_the_changed_one_is_built_anew(tmp_path, cub, capsys):
    make_cub(tmp_path / "more")
    for name in ("CUB_200_2011", "more"):
        assert (tmp_path / name).is_dir()
    options = {"source": {"cub": "CUB_200_2011"}, "tracks": ["hierarchy", "knowledge_bias"]}
    build("fgbmk", root=tmp_path, out=tmp_path / "out", options=options)
    (cub / "classes.txt").write_text((cub / "classes.txt").read_text().replace("Red_Jay", "Rad_Jay"))
    assert not same_build(tmp_path / "out", "fgbmk", options, tmp_path)
    build("fgbmk", root=tmp_path, out=tmp_path / "out", options=options)
    assert "classes.txt was edited" in capsys.readouterr().err
    assert "rad jay" in "".join(path.read_text() for path in (tmp_path / "out").rglob("*.jsonl"))
    assert same_build(tmp_path / "out", "fgbmk", options, tmp_path)


def test_a_set_whose_source_is_gone_is_neither_used_nor_lost(tmp_path, cub):
    out, options = tmp_path / "out", {"source": "cub"}
    build("short_answer", root=cub, out=out, options=options)
    as_by_other_code(out / "manifest.json")
    before = files(out)
    cub.rename(tmp_path / "moved")
    for root, says in ((None, "no --root was given"), (cub, f"there is no {cub}")):
        with pytest.raises(UserError, match=f"changed since it was built, so it must be built anew, but {says}"):
            build("short_answer", root=root, out=out, options=options)
    assert files(out) == before


def test_other_options_are_refused_whatever_the_code(tmp_path, cub):
    build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub"})
    as_by_other_code(tmp_path / "out/manifest.json")
    with pytest.raises(UserError, match="seed was 0, is 3"):
        build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub", "seed": 3})


@pytest.mark.parametrize("what", ["open_world", "frow"])
def test_a_set_that_a_model_wrote_is_built_anew_from_replies_that_are_paid(what, tmp_path, cub, texts, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with endpoint() as server:
        root, _, options = call(what, tmp_path, cub, texts)
        options |= {"model": "scribe", "base_url": server.url, "cache": str(tmp_path / "cache")}
        told = build(what, root=root, out=tmp_path / "out", options=options)
        fresh, paid = files(tmp_path / "out"), len(server.requests)
        assert paid
        monkeypatch.setattr(builder_code, "code_of", lambda *roots: OTHER_CODE)
        again = build(what, root=root, out=tmp_path / "out", options=options)
        assert len(server.requests) == paid
    assert again.pop("code")["hash"] == OTHER_CODE.hash != told.pop("code")["hash"]
    assert again == told
    assert files(tmp_path / "out").keys() == fresh.keys()


def test_what_a_person_wrote_into_a_review_stays(tmp_path, cub, texts):
    root, folder, options = call("frow", tmp_path, cub, texts)
    build("frow", root=root, out=tmp_path / "out", options=options)
    rows = review(tmp_path / "out")
    rows[0] |= {"new_question": "Where does this bird sleep?", "new_answer": "Nobody knows."}
    mark(tmp_path / "out", rows)
    build("frow", root=root, out=tmp_path / "out", options=options)
    as_by_other_code(folder / "manifest.json")
    build("frow", root=root, out=tmp_path / "out", options=options)
    assert "Where does this bird sleep?" in [row["new_question"] for row in review(tmp_path / "out")]


def test_pictures_of_other_code_are_drawn_again_and_those_of_an_interrupted_build_are_not(tmp_path, monkeypatch):
    out, chart = tmp_path / "out", tmp_path / "out/general/chart/images"
    build("drawn", root=None, out=out, options=WORLD)
    fresh = files(out)
    as_by_other_code(out / "manifest.json")
    for path in chart.iterdir():
        path.write_bytes(b"drawn otherwise")
    (chart / "more.png").write_bytes(b"what is drawn no longer")
    with monkeypatch.context() as killed:
        killed.setattr("data_builders.drawn.world.write_lists", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            build("drawn", root=None, out=out, options=WORLD)
    assert not (out / "manifest.json").exists(), "nobody takes a half-built set for a whole one"
    when = stamps(chart)
    build("drawn", root=None, out=out, options=WORLD)
    assert stamps(chart) == when, "goes on with what is drawn"
    assert files(out) == fresh


def test_a_build_that_other_code_began_is_begun_anew(tmp_path, monkeypatch):
    out = tmp_path / "out"
    with monkeypatch.context() as killed:
        killed.setattr("data_builders.drawn.world.write_lists", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        killed.setattr(builder_code, "code_of", lambda *roots: OTHER_CODE)
        with pytest.raises(KeyboardInterrupt):
            build("drawn", root=None, out=out, options=WORLD)
    for path in (out / "general/chart/images").iterdir():
        path.write_bytes(b"drawn otherwise")
    build("drawn", root=None, out=out, options=WORLD)
    build("drawn", root=None, out=tmp_path / "fresh", options=WORLD)
    assert files(out / "general") == files(tmp_path / "fresh/general")


@pytest.mark.parametrize("options", [WORLD, {"source": "cub", **TINY}], ids=["world", "miniature"])
def test_sets_of_others_in_a_drawn_folder_stay(tmp_path, options):
    world = tmp_path / "world"
    build("drawn", root=None, out=world, options=options)
    root = world / "CUB_200_2011" if options is WORLD else world
    build("fgbmk", root=root, out=world, options={"source": "cub", "tracks": ["hierarchy"]})
    build("drawn", root=None, out=tmp_path / "charts", options={"source": "chartqa", **TINY})
    build("general", root=tmp_path / "charts", out=world, options={"benchmark": "chartqa", "allow_partial": True})
    before, when = files(world), stamps(world)
    as_by_other_code(world / "manifest.json")
    build("drawn", root=None, out=world, options=options)
    assert files(world) == before
    kept = [path for path in when if path.startswith(("FG-BMK", "general/chartqa"))]
    assert kept
    assert {path: stamps(world)[path] for path in kept} == {path: when[path] for path in kept}


def test_a_question_file_that_is_written_no_longer_is_taken_away(tmp_path, cub, texts):
    root, folder, options = call("fgbmk", tmp_path, cub, texts)
    build("fgbmk", root=root, out=tmp_path / "out", options=options)
    fresh = files(tmp_path / "out")
    as_by_other_code(folder / "manifest.json")
    told = json.loads((folder / "manifest.json").read_text())
    told["files"]["order/order_question_choice.jsonl"] = {"rows": 1, "sha256": "0"}
    (folder / "manifest.json").write_text(json.dumps(told))
    (folder / "order").mkdir()
    (folder / "order/order_question_choice.jsonl").write_text("{}\n")
    build("fgbmk", root=root, out=tmp_path / "out", options=options)
    assert files(tmp_path / "out") == fresh


def test_a_comment_builds_nothing_anew_and_a_template_does(tmp_path, cub):
    """With the packages themselves: a copy of them is edited between the starts."""
    copy, out = tmp_path / "copy", tmp_path / "out"
    shutil.copytree(TOP / "data_builders", copy / "data_builders", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "data_builders", "short_answer", "--root", cub, "--out", out, "--source", "cub"]

    def start() -> str:
        environment = {"PYTHONPATH": str(copy), "PATH": ""}
        done = subprocess.run(list(map(str, command)), cwd=copy, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    start()
    when = stamps(out)
    path = copy / "data_builders/short_answer.py"
    path.write_text("# A comment.\n" + path.read_text().replace('"""', '"""Words: ', 1))
    assert "anew" not in start()
    assert stamps(out) == when
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert f"{out}: code of data_builders/short_answer.py changed since it was built; built anew" in start()
