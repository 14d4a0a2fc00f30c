"""A recipe from elsewhere: it sends nothing, runs nothing, and one that is no recipe is refused at once."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from table import rows

from data_builders.build import same_build
from data_builders.shared.errors import UserError
from data_builders.shared.llm import Client, Endpoint
from fgtrain.recipe import load_recipe

RECIPE = """\
name: mine
model: {vision_encoder: parts/vision, projector: linear, language_model: parts/language, image_tokens: 16}
data:
  birds: {what: DATA}
stages:
  sft: {train: {projector: 1.0e-3}, mix: {birds: 1}, global_batch_size: 64}
evaluation: {tasks: []}
"""
OPEN = "open_world, root: x, options: {source: cub, texts: t, "


def recipe(folder: Path, data: str, more: str = "") -> Path:
    path = folder / "mine.yaml"
    path.write_text(RECIPE.replace("DATA", data) + more, encoding="utf-8")
    return path


@rows(
    ("an endpoint's address", OPEN + "base_url: 'http://127.0.0.1:1/v1'}", "data.birds.options.base_url"),
    ("an address without a scheme", OPEN + "base_url: evil.example}", "data.birds.options.base_url"),
    ("a model that is asked", OPEN + "model: gpt-4o}", "data.birds.options.model"),
    ("Wikipedia", "open_world, root: x, options: {source: cub, texts: wikipedia}", "data.birds.options.texts"),
    ("another Wikipedia", OPEN + "wikipedia_url: 'https://evil.example/w'}", "data.birds.options.wikipedia_url"),
    ("an address as a folder", "short_answer, root: 'https://evil.example/cub', options: {source: cub}", "birds.root"),
)
def test_an_address_in_a_recipe_is_refused_without_network(tmp_path, how, out):
    with pytest.raises(UserError) as error:
        load_recipe(recipe(tmp_path, how))
    assert out in str(error.value)
    assert "network=true" in str(error.value)


def test_with_network_an_address_is_the_recipes_own(tmp_path):
    data = OPEN + "base_url: 'http://127.0.0.1:1/v1', model: m}"
    assert load_recipe(recipe(tmp_path, data), ["network=true"]).network


def test_a_builder_before_the_data_sends_nothing_either(tmp_path):
    more = "prepare:\n- {what: frow, root: x, out: y, options: {source: cub, base_url: 'http://127.0.0.1:1'}}\n"
    with pytest.raises(UserError, match=r"prepare\.0\.options\.base_url"):
        load_recipe(recipe(tmp_path, "short_answer, root: x, options: {source: cub}", more))


@rows(
    ("a cloud's secret", "AWS_SECRET_ACCESS_KEY", "FGTRAIN_API_KEY"),
    ("the hub's token", "HF_TOKEN", "FGTRAIN_API_KEY"),
    ("another case", "openai_api_key", "FGTRAIN_API_KEY"),
    ("a blank behind it", "OPENAI_API_KEY ", "FGTRAIN_API_KEY"),
    ("nothing", "", "FGTRAIN_API_KEY"),
)
def test_a_key_comes_from_a_few_variables_only(tmp_path, monkeypatch, how, out):
    monkeypatch.setenv(how or "EMPTY", "secret")
    with pytest.raises(UserError, match=out):
        Client(Endpoint(model="m", cache=tmp_path, base_url="http://127.0.0.1:1/v1", key_variable=how))
    options = {"source": "cub", "texts": "t", "key_variable": how}
    with pytest.raises(UserError, match="key_variable"):
        same_build(tmp_path, "open_world", options)


def bomb(levels: int, each: int) -> str:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * each)}]" for n in range(1, levels)]
    return "\n".join(lines)


@rows(
    ("an alias bomb", bomb(9, 9), "values"),
    ("a bomb of mappings", bomb(8, 9).replace("[", "{k: [").replace("]", "]}"), "values"),
    ("brackets", "a: " + "[" * 3000 + "]" * 3000, "levels"),
    ("brackets without end", "[" * 200_000, "levels"),
    ("braces", "a: " + "{b: " * 3000 + "1" + "}" * 3000, "levels"),
    ("lists in lists", "- " * 3000 + "1", "levels"),
    ("half a megabyte", "# " + "x" * 600_000, "characters"),
    ("an alias of itself", "a: &a [*a]", "alias that contains itself"),
    ("a number of 5,000 digits", "seed: 0x" + "f" * 5000, "64 bits"),
    ("half a character", 'name: "\\ud800"', "surrogate"),
    ("a program", "a: !!python/object/apply:os.system [true]", "a is no key here"),
    ("no text", "\x00\x01", "not YAML|UTF-8"),
)
def test_yaml_that_no_person_writes_is_refused_with_one_message(tmp_path, how, out):
    path = tmp_path / "mine.yaml"
    path.write_text(how, encoding="utf-8")
    with pytest.raises(UserError, match=out):
        load_recipe(path)


RUN = """\
import sys
from pathlib import Path
sys.path[:0] = ["."]
from fgtrain.recipe import load_recipe
load_recipe(Path(sys.argv[1]))
"""


def test_a_bomb_of_aliases_needs_no_memory(tmp_path):
    # Ten to the eleven values: in a process of its own, as whoever expands them never comes back.
    path = tmp_path / "mine.yaml"
    path.write_text(bomb(12, 9))
    words = ["timeout", "30", sys.executable, "-c", f"{RUN}"]
    done = subprocess.run([*words, str(path)], capture_output=True, text=True)
    assert "aliases counted" in done.stderr


@rows(
    ("an escape sequence", "a\x1b[2J\x1b]0;owned\x07b", "a\\x1b[2J\\x1b]0;owned\\x07b"),
    ("an 8-bit sequence", "a\x9b2Jb", "a\\x9b2Jb"),
    ("a carriage return", "deleted\rok", "deleted\\rok"),
    ("letters turned round", "a\u202egpj.b", "a\\u202egpj.b"),
    ("half a character", "a\ud800b", "a\\ud800b"),
    ("words of another script", "crow \u9e26 \u0643 e\u0301", "crow \u9e26 \u0643 e\u0301"),
)
def test_what_is_told_moves_no_cursor(capsys, how, out):
    from data_builders.shared.errors import run_command

    def refuse() -> None:
        raise UserError(f"there is no {how}")

    assert run_command(refuse) == 2
    assert capsys.readouterr().err == f"error: there is no {out}\n"


@rows(
    ("a table's cell", "crow\x1b[2J", "crow\\x1b[2J"),
    ("a link of a terminal", "\x1b]8;;http://x\x1b\\crow", "\\x1b]8;;http://x\\x1b\\crow"),
)
def test_a_plan_moves_no_cursor(tmp_path, monkeypatch, capsys, how, out):
    from fgtrain.plan import make_plan, print_plan
    from fgtrain.plan.facts import ModelFacts

    monkeypatch.setenv("COLUMNS", "200")
    loaded = load_recipe(recipe(tmp_path, "short_answer, root: x, options: {source: cub}"))
    print_plan(make_plan(loaded, {}, ModelFacts(notes=(how,))))
    shown = capsys.readouterr().out
    assert out in shown
    assert "\x1b]8" not in shown
    assert "\x1b[2J" not in shown


PROFILE = "gpus_per_node: 4\ntime: '10:00:00'\npartition: gpu\n"


def script_of(folder: Path, monkeypatch, **changes: str) -> str:
    """What `--submit --plan` would submit, of a recipe with these keys."""
    from fgtrain.__main__ import main

    monkeypatch.chdir(folder)
    (folder / "cluster.yaml").write_text(PROFILE)
    path = recipe(folder, "short_answer, root: x, options: {source: cub}")
    words = [f"{key}={value}" for key, value in changes.items()]
    main([str(path), *words, "--submit", "--plan", "--cluster", "cluster.yaml"])
    return ""


@rows(
    ("a line break", "x\ntouch hacked\n#", "line breaks and control characters"),
    ("a line break of Windows", "x\r\ntouch hacked", "line breaks and control characters"),
    ("a form feed", "x\x0ctouch hacked", "line breaks and control characters"),
    ("a line separator", "x\u2028touch hacked", "line breaks and control characters"),
    ("a zero byte", "x\x00y", "line breaks and control characters"),
    ("an escape sequence", "x\x1b[2Jy", "line breaks and control characters"),
)
def test_no_value_of_a_recipe_is_a_line_of_its_own(tmp_path, how, out):
    text = '"' + how.encode("unicode_escape").decode() + '"'
    for more in (f"runs_root: {text}\n", f"wandb: {{project: {text}}}\n"):
        with pytest.raises(UserError, match=out):
            load_recipe(recipe(tmp_path, "short_answer, root: x, options: {source: cub}", more))


@rows(
    ("a command", "$(touch hacked)", None),
    ("a quote", "a'; touch hacked; '", None),
)
def test_no_value_of_a_recipe_reaches_the_shell(tmp_path, monkeypatch, capsys, how, out):
    script_of(tmp_path, monkeypatch, runs_root=f"'{how.replace(chr(39), chr(39) * 2)}'")
    text = capsys.readouterr().out
    script = text[text.index("#!") : text.index("\n---- ", text.index("#!"))]
    lines = [line for line in script.split("\n") if "hacked" in line and not line.startswith("#")]
    assert lines
    # Each line that names it is words of a shell in which it is a part of one word and starts nothing.
    for line in lines:
        words = shlex.split(line.rstrip("\\"), comments=True)
        assert any(how in word for word in words), line
        done = subprocess.run(["bash", "-n", "-c", line.rstrip("\\")], capture_output=True, text=True)
        assert done.returncode == 0, line
        subprocess.run(["bash", "-c", f"f() {{ :; }}; f {shlex.join(words)}"], cwd=tmp_path, env={"PATH": os.defpath})
    assert not (tmp_path / "hacked").exists()
