"""How the suite of faults is written: each row says what is broken, how, and what must come out."""

import pytest


def rows(*table: tuple[str, object, object]) -> pytest.MarkDecorator:
    """Parametrizes `how` (the broken thing, or what breaks it) and `out` (what must come out); `what` names the row."""
    return pytest.mark.parametrize(("how", "out"), [pytest.param(how, out, id=what) for what, how, out in table])
