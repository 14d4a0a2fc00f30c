"""How perturbations are spelt: blur, noise, with a severity of their own (blur1), grey_background, and so on."""

import re

from data_builders.shared.errors import UserError

from .changes import BLUR, NOISE, Blank, Blur, Change, Noise

USUAL = 3  # severity of blur and noise where none is given
CONDITIONS = ("blur", "noise", "grey_background", "blank", "misleading_text")
SPELT = re.compile(r"(blur|noise)([0-5]?)|grey_background|blank|misleading_text")


def condition_problem(condition: str) -> str | None:
    """What is wrong with a perturbation's name; None for those that there are."""
    if SPELT.fullmatch(condition):
        return None
    return f"no perturbation; there are {', '.join(CONDITIONS)}, and blur0 to blur5, noise0 to noise5 (usual: 3)"


def same_for_all(condition: str) -> Change | None:
    """The change that is the same for every picture; None where it depends on what a picture shows. UserError."""
    if wrong := condition_problem(condition):
        raise UserError(f"perturb: {condition!r} is {wrong}")
    kind, severity = SPELT.fullmatch(condition).groups()
    if kind:
        strengths, make = (BLUR, Blur) if kind == "blur" else (NOISE, Noise)
        return make(strengths[int(severity or USUAL)])
    return Blank() if condition == "blank" else None
