"""`fgtrain completion`: what a shell offers for a line that somebody has begun."""

import shutil
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from fgtrain import completion
from fgtrain.__main__ import main
from fgtrain.errors import UserError

LINES = {
    "fgtrain exp": "export",
    "fgtrain export --fo": "--format",
    "fgtrain my": "my.yaml",
    "fgtrain my.yaml --sm": "--smoke",
    "fgtrain recipes copy mini/studies/dem": "mini/studies/demo",
    "fgtrain completion z": "zsh",
    "fgtrain-data short_answer --so": "--source",
    "fgtrain-data short_answer --source food": "food101",
    "fgtrain-eval judge-": "judge-agreement",
    "fgtrain-eval score --predictions my": "my.yaml",
}


@pytest.fixture(scope="module")
def script(tmp_path_factory) -> dict[str, Path]:
    """Shell -> file."""
    files = {shell: tmp_path_factory.mktemp("completion") / shell for shell in completion.FILES}
    for shell, file in files.items():
        with file.open("w") as text, redirect_stdout(text):
            assert main(["completion", shell]) == 0
    return files


def test_bash_offers_commands_options_choices_and_files(script, tmp_path):
    (tmp_path / "my.yaml").touch()
    asked = "".join(
        f"COMP_WORDS=({line}); COMP_CWORD={len(line.split()) - 1}; "
        f"_shtab_{line.split()[0].replace('-', '_')} 2>/dev/null; echo ${{COMPREPLY[*]}}\n"
        for line in LINES
    )
    command = ["bash", "-c", f"source {script['bash']}\n{asked}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert dict(zip(LINES, done.stdout.splitlines(), strict=True)) == LINES


def test_zsh_reads_its_script(script):
    text = script["zsh"].read_text()
    assert all(f"#compdef {name}\n" in text for name in ("fgtrain", "fgtrain-data", "fgtrain-eval"))
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n", script["zsh"]], check=True)


def test_without_shtab_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(completion, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'fgtrain\[completion\]'"):
        main(["completion", "bash"])
