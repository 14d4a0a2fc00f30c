"""Rules of a user's own, by entry points of installed packages (docs/extending/rules.md)."""

from collections.abc import Iterable
from numbers import Real

from data_builders.shared.errors import UserError
from data_builders.shared.plugins import Plugins

from .matching import ALL_RULES, RULES
from .rules.base import Details, Gold, Rule, Verdict

OWN_RULES = Plugins(
    "evaluation.rules",
    "a function of answer, gold, options and details that gives a Verdict of evaluation.scoring.rules.base",
    ALL_RULES,
)


def known_rules() -> tuple[str, ...]:
    """Every rule that a task may name here, those of installed packages last. UserError as `Plugins.installed`."""
    return (*ALL_RULES, *OWN_RULES.installed())


def matching_rules(names: Iterable[str]) -> dict[str, Rule]:
    """Those of `names` that are functions of one answer and its gold, with the function.

    One of a user's own raises UserError where it fails or gives what no score can be made of, and when it cannot be
    imported.
    """
    own = [name for name in names if name not in ALL_RULES and name in OWN_RULES.installed()]
    return {name: RULES[name] if name in RULES else _held_to(name) for name in names if name in RULES or name in own}


def rules_code(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Of those of `names` that are a user's own: rule -> its code (`Plugins.code`)."""
    return {name: OWN_RULES.code(name) for name in names if name not in ALL_RULES}


def _held_to(name: str) -> Rule:
    rule: Rule = OWN_RULES.load(name)

    def verdict(answer: str, gold: Gold, options: Iterable[str], details: Details) -> Verdict:
        place = f"rule {name}, answer {answer[:60]!r}, gold {str(gold)[:60]!r}"
        try:
            found = rule(answer, gold, tuple(options), details)
        except UserError:
            raise
        except Exception as error:  # whatever their code does
            raise UserError(f"{place}: {type(error).__name__}: {error}") from error
        if not isinstance(found, Verdict):
            raise UserError(f"{place}: it gave a {type(found).__name__}; expected is a Verdict(score, parsed)")
        if not isinstance(found.score, Real) or not 0 <= found.score <= 1:  # nor is NaN
            raise UserError(f"{place}: it gave the score {found.score!r}; expected is a number from 0 to 1")
        if not isinstance(found.parsed, str | None):
            raise UserError(f"{place}: parsed is {found.parsed!r}; expected is what it read as a text, or None")
        return Verdict(float(found.score), found.parsed)

    return verdict
