"""Every rule that scores answers, with what it follows, from the words of the code that holds it."""

import inspect
from types import ModuleType

from evaluation.judging import deterministic
from evaluation.scoring import metrics, name_lists
from evaluation.scoring.matching import JUDGE, LIST_RULES, PERPLEXITY, RULES

# Rules that are no function of one answer and one gold.
OTHERS: dict[str, tuple[str, ModuleType]] = {
    JUDGE: (deterministic.__doc__, deterministic),
    PERPLEXITY: (metrics.perplexity.__doc__, metrics),
    LIST_RULES[0]: (f"Log-probabilities as the model gives them. {name_lists.__doc__}", name_lists),
    LIST_RULES[1]: ("The same, less what each name has behind a grey picture.", name_lists),
}


def rule_texts() -> dict[str, tuple[str, ModuleType]]:
    """Rule -> what it does, "" where the code does not say, and the module that holds it."""
    one_by_one = {name: (inspect.getdoc(rule) or "", inspect.getmodule(rule)) for name, rule in RULES.items()}
    return one_by_one | OTHERS


def rules() -> str:
    """A heading for each rule, under what its file says of all in it."""
    parts, family = [], None
    for name, (text, module) in rule_texts().items():
        if module is not family and name in RULES:
            parts.append(f"\n{inspect.cleandoc(module.__doc__)}\n")
        family = module
        path = module.__name__.replace(".", "/") + ".py"
        parts.append(f"\n(rule-{name.replace('_', '-')})=\n### `{name}`\n\n{inspect.cleandoc(text)} In `{path}`.\n")
    return "\n".join(parts)
