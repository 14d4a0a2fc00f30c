"""What a start says last: scores as a table, where everything lies, and what to type next."""

import shlex
from collections.abc import Iterator, Sequence

from data_builders.shared.terminal import say
from data_builders.shared.wrapping import say_wrapped
from fgtrain.errors import UserError
from fgtrain.plan import read_plan
from fgtrain.recipe.load import shown
from fgtrain.recipe.study import Study
from fgtrain.runs.scores_text import SCORES_TEXT
from fgtrain.runs.unmeasured import unmeasured_lines
from fgtrain.runs.wandb_outcome import online, outcome_lines
from fgtrain.runs.watched import watched_lines

from .build import report_path, study_folder

FEW = 4  # runs that have a line each


def tell_results(study: Study, done: int, did: int, words: Sequence[str] = ()) -> None:
    """What came out, where it lies, what was not measured, and what to type next. `words`: what was typed now."""
    if not did:
        say(f"nothing to do: all {done} jobs are done")
    scores = list(_scores(study))
    for line in scores:
        say_wrapped(line)
    for line in _notes(study, "\n".join(scores)):
        say_wrapped(line)
    for label, text in (*_places(study), *_next(study, words)):
        say(f"{label:<8}{text}".rstrip())  # whole: it is to be copied
    for line in outcome_lines(one.recipe for one in study.recipes):
        say(line)


def _notes(study: Study, told: str) -> Iterator[str]:
    """What there is to say of stages that were watched and of what was not measured, once for all runs that it is said
    of; without what stands in `told`."""
    found: dict[str, dict[str, None]] = {}
    for one in study.recipes:
        name, path = one.recipe.name, one.recipe.run_folder / "plan.json"
        watched = watched_lines(name, read_plan(path)) if path.is_file() else ()
        for line in (*watched, *unmeasured_lines(one.recipe)):
            found.setdefault(line.removeprefix(f"{name}: "), {})[name] = None
    for text, names in found.items():
        if text.split(": ", 1)[-1] not in told and f"not measured: {text.partition(':')[0]} is not" not in told:
            yield f"{', '.join(names) if len(names) <= FEW else f'{len(names)} runs'}: {text}"


def _scores(study: Study) -> Iterator[str]:
    """Of the one run, or the study's answer."""
    if len(study.recipes) > 1:
        folder = study_folder(study)
        if (folder / "answer.json").is_file():
            from evaluation.study import read_answer  # brings numpy along
            from evaluation.study.brief import brief_lines

            yield ""
            try:
                yield from brief_lines(read_answer(folder))
            except UserError as error:  # of an earlier version: what is done stays done, and its page is there
                yield f"{folder / 'answer.json'}: {error}"
        return
    path = study.recipes[0].recipe.run_folder / SCORES_TEXT
    if path.is_file():
        yield ""
        yield from path.read_text(encoding="utf-8").splitlines()


def _places(study: Study) -> Iterator[tuple[str, str]]:
    yield "", ""
    together = report_path(study)
    if len(study.recipes) > 1 and together.is_file():
        yield ("answer:" if study.name else "report:"), shown(together)
    for one in study.recipes if len(study.recipes) <= FEW else ():
        report = one.recipe.run_folder / "report.html"
        yield ("report:", shown(report)) if report.is_file() else ("run:", shown(one.recipe.run_folder))


def _next(study: Study, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """One command: seeds where there is one alone, then tables and figures; of a run, what its model says. Where runs
    of a study are online, the one that shows them in one view."""
    one = study.recipes[0].recipe
    if len(study.recipes) > 1 and words and online(some.recipe for some in study.recipes):
        yield "W&B:", f"python -m fgtrain wandb-view {shlex.join(words)}"
    if len(study.recipes) == 1:
        if one.enabled_stages:
            yield "next:", f"python -m fgtrain ask {shlex.quote(shown(one.run_folder))} PHOTO"
    elif study.name is not None and len(study.seeds) == 1 and words:
        again = shlex.join([word for word in words if not word.startswith(("seed=", "seeds="))])
        seeds = ",".join(str(study.seeds[0] + more) for more in range(3))
        yield "next:", f"python -m fgtrain {again} seed={seeds}"
    elif study.name is not None and report_path(study).is_file():
        yield "next:", f"python -m evaluation report {shlex.quote(shown(study_folder(study)))} --export paper"
