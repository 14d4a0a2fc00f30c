import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_sources import make_cub

from data_builders.build import BUILDERS, build, command_line, find_builder, same_build
from data_builders.records import check_row, conversation
from data_builders.shared.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "data_builders", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)


def test_a_second_equal_call_returns_at_once_and_another_is_refused(cub, tmp_path):
    out, options = tmp_path / "out", {"source": "cub"}
    first = build("short_answer", root=cub, out=out, options=options)
    stamp = os.stat(out / "rows.jsonl").st_mtime_ns
    # Defaults written out are the same options.
    assert build("short_answer", root=cub, out=out, options={**options, "seed": 0, "split": "trainval"}) == first
    assert os.stat(out / "rows.jsonl").st_mtime_ns == stamp
    with pytest.raises(UserError, match=r"seed was 0, is 3\. Choose another --out, or delete"):
        build("short_answer", root=cub, out=out, options={**options, "seed": 3})
    with pytest.raises(UserError, match="builder was short_answer, is caption"):
        build("caption", root=cub, out=out, options=options)
    other = make_cub(tmp_path / "other")
    with pytest.raises(UserError, match="root was"):
        build("short_answer", root=other, out=out, options=options)


def test_same_build_says_what_build_would_do(cub, tmp_path):
    options = {"source": "cub"}
    assert not same_build(tmp_path / "out", "short_answer", options)
    build("short_answer", root=cub, out=tmp_path / "out", options=options)
    assert same_build(tmp_path / "out", "short_answer", options, cub)
    assert not same_build(tmp_path / "out", "short_answer", {**options, "level": "genus"})
    assert not same_build(tmp_path / "out", "short_answer", options, tmp_path / "elsewhere")
    build("fgbmk", root=cub, out=tmp_path / "bench", options=options)
    assert same_build(tmp_path / "bench", "fgbmk", options, cub)


def test_all_wrong_options_are_listed_at_once(cub, tmp_path):
    with pytest.raises(UserError) as caught:
        build("questions", root=cub, out=tmp_path, options={"source": "cubs", "per_kind": 9, "kind": "choice"})
    for part in ("source is 'cubs'", "per_kind is 9", "kind: no such option", "imagenet_1each"):
        assert part in str(caught.value)
    with pytest.raises(UserError, match="source: needed"):
        build("questions", root=cub, out=tmp_path, options={})
    with pytest.raises(UserError, match=r"no builder 'question'; there are: .*questions"):
        build("question", root=cub, out=tmp_path, options={})
    with pytest.raises(UserError, match="add --root"):
        build("questions", root=None, out=tmp_path, options={"source": "cub"})


def test_an_unknown_level_names_those_there_are(cub, tmp_path):
    with pytest.raises(UserError, match="level is 'family'; cub has class, genus, species"):
        build("short_answer", root=cub, out=tmp_path / "out", options={"source": "cub", "level": "family"})
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_the_printed_command_builds_the_same(cub, tmp_path):
    options = {"source": "cub", "kinds": ["choice", "true_false"], "levels": None, "per_kind": 2}
    line = command_line("questions", cub, tmp_path / "out", options)
    done = run(*line.split()[3:])
    assert done.returncode == 0, done.stderr
    assert same_build(tmp_path / "out", "questions", options, cub)
    assert "14 rows" in done.stdout


def test_exit_status_says_whose_fault_it_is(cub, tmp_path):
    lost = run("caption", "--root", tmp_path / "nowhere", "--out", tmp_path / "out", "--source", "cub")
    assert lost.returncode == 2
    assert lost.stderr.startswith("error: no folder")
    assert "Traceback" not in lost.stderr
    assert run("nothing").returncode == 2
    assert run("--help").returncode == 0


def test_every_option_has_a_description():
    for name in BUILDERS:
        for option, field in find_builder(name).options.model_fields.items():
            assert field.description, f"{name}.{option}"


def test_data_builders_do_not_load_torch():
    code = "import sys, data_builders.build, data_builders.command_help, data_builders.leakage.check_command; "
    code += "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == 0


@pytest.mark.parametrize(("image", "says"), [("../secret.jpg", "stay inside"), (7, "must be a path")])
def test_a_row_with_an_impossible_image_is_named(image, says):
    row = {"id": "r7", "image": image, "conversations": conversation("What is it?", "a gull")}
    with pytest.raises(UserError, match=f"row 'r7'.*{says}"):
        check_row(row, "somewhere")
