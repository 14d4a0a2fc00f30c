"""What the wording of a question does: scores of questions that were asked in every wording (ids NUMBER/WORDING).

The spread is the best wording's accuracy minus the worst's. Best and worst are found on the same answers, so it is
above zero whatever the wordings do; beside it stands what it would be were the wordings of each question exchanged at
random. Alike means right in all wordings or wrong in all; the same answer, letter for letter up to case and `_ - ,`.
"""

import numpy as np

from data_builders.shared.seeding import draw

from .answer_columns import Sheet
from .group_values import parts_of
from .intervals import score_of
from .metrics import Measure
from .score_files import Score
from .statistics import ratio

KEY = "wording"
SPREAD = "spread"
EXCHANGES = 999


def wording_scores(rule: str, sheet: Sheet, scores: np.ndarray, address: tuple) -> tuple[list[Score], str]:
    """Spread, spread by chance, alike, same answer, under one rule, and a note; ([], "") where there is one wording.

    Spread is over all questions, the others over those with an answer in every wording; their n counts such questions.
    """
    members = sheet.members(KEY)
    if len(members) < 2:
        return [], ""
    found = [score_of(rule, spread(scores, list(members.values())), sheet.index, (*address, "spread"))]
    places_QW = complete(sheet, list(members))
    if not len(places_QW):
        return found, "no question has an answer in every wording: nothing is said of answering alike"
    by_chance, p = exchanged(rule, scores[places_QW], address)
    right, said = scores[places_QW], np.asarray(sheet.said, object)[places_QW]
    found.append(by_chance)
    for metric, alike in (
        ("alike_in_all_wordings", (right == right[:, :1]).all(1)),
        ("same_answer_in_all_wordings", (said == said[:, :1]).all(1)),
    ):
        columns = np.stack([alike, np.ones(len(alike))], 1).astype(float)
        found.append(score_of(rule, Measure(metric, columns, ratio), sheet.index[places_QW[:, 0]], (*address, metric)))
    return found, (
        f"over {len(members)} wordings: a spread as large as that of the {len(places_QW):,} questions asked in all "
        f"comes by chance with p = {p:.2g}"
    )


def spread(scores: np.ndarray, parts: list[np.ndarray]) -> Measure:
    """Highest minus lowest mean score of the parts."""
    columns = np.zeros((len(scores), 2 * len(parts)))
    for number, places in enumerate(parts):
        columns[places, 2 * number], columns[places, 2 * number + 1] = scores[places], 1.0

    def statistic(totals: np.ndarray) -> np.ndarray:
        means = np.stack([ratio(totals[..., 2 * n : 2 * n + 2]) for n in range(len(parts))])
        return means.max(0) - means.min(0)

    return Measure(f"{SPREAD}_of_{KEY}", columns, statistic, bounded=False)


def complete(sheet: Sheet, wordings: list[str]) -> np.ndarray:
    """Places [Q, W] of the questions that were answered in every wording."""
    column, found = {name: number for number, name in enumerate(wordings)}, {}
    for place, question_id in enumerate(sheet.ids):
        question, wording = parts_of(question_id)
        found.setdefault(question, {})[column[wording]] = place
    rows = [[row[n] for n in range(len(wordings))] for row in found.values() if len(row) == len(wordings)]
    return np.asarray(rows, int).reshape(-1, len(wordings))


def exchanged(rule: str, scores_QW: np.ndarray, address: tuple) -> tuple[Score, float]:
    """The spread were wordings exchanged at random within each question: its mean and where 95 % of it lie; and the
    share of such spreads that reach the one that is there (p)."""
    generator = draw("wordings", *address)
    mean = scores_QW.mean(0)
    there, drawn = mean.max() - mean.min(), np.zeros(EXCHANGES)
    for number in range(EXCHANGES):
        mean = generator.permuted(scores_QW, axis=1).mean(0)
        drawn[number] = mean.max() - mean.min()
    low, high = np.quantile(drawn, (0.025, 0.975))
    p = (1 + (drawn >= there - 1e-12).sum()) / (1 + EXCHANGES)
    values = [100 * float(one) for one in (drawn.mean(), low, high)]
    return Score(rule, f"{SPREAD}_of_{KEY}_by_chance", *values, len(scores_QW), "percent"), float(p)
