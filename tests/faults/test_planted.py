"""What somebody has put where this program writes or reads: nothing elsewhere is changed, nothing waits for ever."""

import os
from pathlib import Path

import pytest
from table import rows

from data_builders.shared import chat_templates
from data_builders.shared.errors import UserError
from data_builders.shared.files import atomic_path, atomic_write, write_bytes, write_json
from data_builders.shared.progress import STATE_FILE, ProgressState, tell_progress
from evaluation.asking.answerers.chat import Chat


def written(way: str, path: Path) -> None:
    if way == "json":
        write_json(path, {})
    elif way == "bytes":
        write_bytes(path, b"{}\n")
    elif way == "stream":
        with atomic_write(path) as file:
            file.write("{}\n")
    else:
        with atomic_path(path) as temporary:
            temporary.write_text("{}\n")


def planted(kind: str, path: Path, victim: Path) -> None:
    if kind == "symbolic link":
        path.symlink_to(victim)
    elif kind == "hard link":
        os.link(victim, path)
    elif kind == "link to nothing":
        path.symlink_to(victim.with_name("new"))
    else:
        os.mkfifo(path)


@rows(
    ("a symbolic link, json", ("symbolic link", "json"), None),
    ("a symbolic link, library", ("symbolic link", "path"), None),
    ("a hard link, json", ("hard link", "json"), None),
    ("a hard link, bytes", ("hard link", "bytes"), None),
    ("a hard link, stream", ("hard link", "stream"), None),
    ("a hard link, library", ("hard link", "path"), None),
    ("a link to nothing", ("link to nothing", "stream"), None),
    ("a pipe", ("pipe", "json"), None),
    ("a pipe, library", ("pipe", "path"), None),
)
def test_a_temporary_file_leads_nowhere_else(tmp_path, how, out):
    kind, way = how
    victim, path = tmp_path / "mine.txt", tmp_path / "rows.json"
    victim.write_text("mine")
    planted(kind, tmp_path / ".rows.json.part", victim)
    written(way, path)
    assert victim.read_text() == "mine"
    assert not (tmp_path / "new").exists()
    assert path.read_text() == "{}\n"
    assert path.is_file()
    assert not path.is_symlink()
    assert path.stat().st_nlink == 1


def test_the_progress_file_leads_nowhere_else(tmp_path, monkeypatch):
    victim, path = tmp_path / "mine.txt", tmp_path / "progress.json"
    victim.write_text("mine")
    Path(f"{path}.part").symlink_to(victim)
    monkeypatch.setenv(STATE_FILE, str(path))
    tell_progress(ProgressState("x", 1, 2, "rows"), always=True)
    assert victim.read_text() == "mine"


class Tokenizer:
    """As much of one as a chat template needs."""

    added_tokens_decoder: dict = {}  # noqa: RUF012
    all_special_tokens = ()
    bos_token = None

    def __init__(self, template: str) -> None:
        self.chat_template = template

    def convert_ids_to_tokens(self, number: int) -> str:
        return "<image>"

    def apply_chat_template(self, messages: list, chat_template: str, **_: object) -> str:
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        return ImmutableSandboxedEnvironment().from_string(chat_template).render(messages=messages)


LOOP = "{% for a in range(90000) %}" * 3 + "BODY" + "{% endfor %}" * 3


@rows(
    ("loops in loops", LOOP.replace("BODY", ""), "takes more than"),
    ("that write", LOOP.replace("BODY", "{{ a }}"), "takes more than"),
    ("a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "cannot be filled in"),
    ("private parts of Python", "{{ messages.__class__.__mro__ }}", "cannot be filled in"),
)
def test_a_chat_template_ends(monkeypatch, how, out):
    monkeypatch.setattr(chat_templates, "TEMPLATE_SECONDS", 0.2)
    with pytest.raises(UserError, match=out):
        Chat("model", Tokenizer(how), "llava", 7)
