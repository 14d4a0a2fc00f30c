"""Named rules: how an answer is compared with the gold. Each rule is total: it gives a verdict on any text.

The published rules are kept to the letter, with their traps (FG-BMK finds "no" in "unknown"), under the benchmark's
name; a suite that judges otherwise stands beside it as <family>_<suite>; where a trap matters a stricter rule of ours
does too.
"""

from .rules.base import NO_DETAILS, Details, Gold, Rule, Verdict, golds_of
from .rules.letters import ai2d_internvl, ai2d_lmms_eval, ai2d_vlmevalkit
from .rules.mathvista import mathvista, mathvista_plain, mathvista_quick, mathvista_vlmevalkit
from .rules.names import exact, mentions, released, strict
from .rules.numbers import parse_number, relaxed, relaxed_internvl, relaxed_lmms_eval
from .rules.text import anls, anls_lmms_eval, anls_one, levenshtein
from .rules.yes_no import pope, pope_label, pope_lmms_eval, pope_vlmevalkit

RULES: dict[str, Rule] = {
    "released": released,
    "strict": strict,
    "exact": exact,
    "pope": pope,
    "pope_lmms_eval": pope_lmms_eval,
    "pope_vlmevalkit": pope_vlmevalkit,
    "relaxed": relaxed,
    "relaxed_lmms_eval": relaxed_lmms_eval,
    "relaxed_internvl": relaxed_internvl,
    "anls": anls,
    "anls_lmms_eval": anls_lmms_eval,
    "ai2d_lmms_eval": ai2d_lmms_eval,
    "ai2d_vlmevalkit": ai2d_vlmevalkit,
    "ai2d_internvl": ai2d_internvl,
    "mathvista": mathvista,
    "mathvista_quick": mathvista_quick,
    "mathvista_plain": mathvista_plain,
    "mathvista_vlmevalkit": mathvista_vlmevalkit,
}
MATHVISTA_RULES = frozenset(name for name in RULES if name.startswith("mathvista"))
YES_NO_RULES = ("pope", "pope_lmms_eval", "pope_vlmevalkit")
# What is no function of one answer and its gold: FROW's judge, and what is made of log-probabilities.
JUDGE, PERPLEXITY = "deterministic_judge", "perplexity"
LIST_RULES = ("names", "names_prior")  # as the model finds them; without what it finds likely behind no picture
ALL_RULES = (*RULES, JUDGE, PERPLEXITY, *LIST_RULES)

__all__ = [
    "ALL_RULES",
    "JUDGE",
    "LIST_RULES",
    "MATHVISTA_RULES",
    "NO_DETAILS",
    "PERPLEXITY",
    "RULES",
    "YES_NO_RULES",
    "Details",
    "Gold",
    "Rule",
    "Verdict",
    "anls",
    "anls_one",
    "exact",
    "golds_of",
    "levenshtein",
    "mentions",
    "parse_number",
    "pope_label",
    "relaxed",
    "released",
    "strict",
]
