"""`judge`: verdicts on FROW answers into files beside them."""

import argparse
from pathlib import Path

import yaml

from data_builders.shared.errors import UserError
from data_builders.shared.terminal import say

from .argument_types import price
from .endpoint_options import add_endpoint_options, client_of

MODEL = "gpt-4o-mini"


def add_options(judge: argparse.ArgumentParser) -> None:
    judge.add_argument(
        "--answers", type=Path, nargs="+", required=True, help="a run, its folders of answers, or files of answers"
    )
    judge.add_argument("--data", type=Path, nargs="+", default=[], help="folders that hold FROW/ with its images")
    judge.add_argument("--task", help="of a file whose rows do not name it, for example frow/cub")
    judge.add_argument("--out", type=Path, help="folder of the judge's files (default: judged/JUDGE/ beside each)")
    judge.add_argument(
        "--stands", action="store_true", help="this judge's numbers stand for FROW in the run's reports from now on"
    )
    judge.add_argument("--deterministic", action="store_true", help="judge by rules, without an endpoint")
    judge.add_argument(
        "--taxonomy", help="csv file category,level,...[,aliases], or SOURCE=FOLDER (with --deterministic)"
    )
    own = judge.add_argument_group("a judge of your own", "of an installed package; docs/extending/judges.md")
    own.add_argument("--judge", metavar="NAME", help="its name")
    own.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="what it is made with; several times"
    )
    endpoint = judge.add_argument_group("endpoint")
    endpoint.add_argument("--model", default=MODEL, help=f"that judges (default: {MODEL})")
    endpoint.add_argument("--without-image", action="store_true", help="the judge reads only texts: another judge")
    add_endpoint_options(endpoint, budget=5000)
    endpoint.add_argument("--price-read", type=price, help="of a million tokens sent, to show the cost")
    endpoint.add_argument("--price-written", type=price, help="of a million tokens that the judge writes")
    judge.set_defaults(do=command_judge)


def command_judge(arguments: argparse.Namespace) -> None:
    from ..judging.answers_to_judge import answer_files, frow_tasks, read_answers
    from ..judging.judge_answers import judge_file
    from ..judging.judge_scores import add_to_run, let_stand

    tasks = frow_tasks(arguments.data)
    files = [read_answers(path, tasks, arguments.task) for path in answer_files(arguments.answers)]
    names = [one.path.name for one in files]
    if arguments.out and len(set(names)) < len(names):
        raise UserError(f"--out {arguments.out}: several files of answers have the same name; judge them one by one")
    if arguments.out and arguments.stands:
        raise UserError("--stands needs the judge's files beside the answers: leave out --out")
    judge, client = judge_of(arguments)
    for one in files:
        judge.check(one.candidates)  # all, before the first request is paid
    done, error = [], None
    for one in files:
        judged, error = judge_file(one, judge, arguments.out)
        done.append(judged)
        report(judged, added=not arguments.out and add_to_run(judged))
        if error is not None:
            break
    if client is not None:
        say(cost(client, arguments))
    if error is not None:
        raise error
    if without := [one for one in done if one.answers.candidates and not one.rows]:
        raise UserError(
            f"{without[0].answers.path}: no answer got a verdict ({without[0].unjudged[0]['unjudged']}). What was "
            "answered is kept; the same command asks again"
        )
    if arguments.stands:
        say(f"{done[0].score.primary} stands for FROW in {let_stand(done)} scores now")


def report(judged, added: bool) -> None:
    from ..compare.tables import print_scores

    count = len(judged.answers.candidates)
    say(judged.answers.path)
    if judged.score is not None:
        print_scores([judged.score])
    where = f"{judged.path}{', and in scores.json of the run' if added else ''}"
    say(f"{len(judged.rows)} of {count} answers are judged: {where}")
    if judged.unjudged:
        reasons = ", ".join(sorted({row["unjudged"] for row in judged.unjudged})[:3])
        say(f"{len(judged.unjudged)} of {count} are unjudged: {reasons}")
    if judged.kept:
        say(f"{judged.kept} verdicts of an earlier start still hold")


def judge_of(arguments: argparse.Namespace) -> tuple:
    """The judge, and its client if it has one."""
    if arguments.judge:
        if arguments.deterministic or arguments.taxonomy:
            raise UserError("--judge is another judge than the one by rules: leave out --deterministic and --taxonomy")
        from ..judging.own import OwnJudge, missing

        if wrong := missing(arguments.judge):
            raise UserError(f"--judge {wrong}")
        return OwnJudge(arguments.judge, options_of(arguments.option), "--option"), None
    if arguments.option:
        raise UserError("--option is for a judge of your own: add --judge NAME")
    if arguments.deterministic:
        from ..judging.deterministic import DeterministicJudge
        from ..judging.taxonomy import NO_TAXONOMY, read_taxonomy

        taxonomy = read_taxonomy(arguments.taxonomy) if arguments.taxonomy else NO_TAXONOMY
        return DeterministicJudge(taxonomy), None
    if arguments.taxonomy:
        raise UserError("--taxonomy is for the judge by rules: add --deterministic")
    if (arguments.price_read is None) != (arguments.price_written is None):
        raise UserError("--price-read and --price-written go together")
    from ..judging.model_judge import ModelJudge

    client = client_of(arguments.model, arguments)
    return ModelJudge(client, with_image=not arguments.without_image), client


def options_of(words: list[str]) -> dict:
    """KEY=VALUE, ... as YAML reads the values. UserError for another form."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            equals = ""
        if not key.isidentifier() or not equals:
            raise UserError(f"--option {word}: write KEY=VALUE")
    return found


def cost(client, arguments: argparse.Namespace) -> str:
    budget = client.budget
    said = (
        f"this start: {budget.used} ({budget.written_tokens:,} written by the judge)"
        + (f"; {client.cached:,} from replies kept by {client.name(client.kept_by)}" if client.cached else "")
        + "".join(f"; {told}" for told in client.told_of_replies)
    )
    if arguments.price_read is None:
        return said
    read = budget.tokens - budget.written_tokens
    total = (read * arguments.price_read + budget.written_tokens * arguments.price_written) / 1e6
    return f"{said}; {total:.4f} at {arguments.price_read:g} and {arguments.price_written:g} per million tokens"
