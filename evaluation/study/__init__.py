"""What a study comes to, from its run folders alone: arms x seeds, with intervals over seeds and images.

`runs` reads and checks the folders, `measures` makes one measure of each run, `seed_image_interval` is the statistics,
`answering` puts the `answer` together, `pareto` orders the arms, `costs` and `over_run` read what they took and how
they got there, `summary`, `words`, `files` and `tables` tell it.
"""

from .again import read_study
from .answer import ArmAnswer, ArmMean, Contrast, MeasureFacts, StudyAnswer
from .answering import study_answer
from .files import from_json, read_answer, to_json, write_answer
from .pareto import ParetoPlace
from .runs import StudyRuns
from .tables import print_answer
from .words import answer_words, contrast_words

__all__ = [
    "ArmAnswer",
    "ArmMean",
    "Contrast",
    "MeasureFacts",
    "ParetoPlace",
    "StudyAnswer",
    "StudyRuns",
    "answer_words",
    "contrast_words",
    "from_json",
    "print_answer",
    "read_answer",
    "read_study",
    "study_answer",
    "to_json",
    "write_answer",
]
