"""FG-BMK on disk: the folders of its tracks as published. What is built here is called as published.

One folder is published with letters too many; both spellings are read. A clone of FG-BMK's repository has its files in
benchmark/, the download from the hub has them at the top.
"""

NAME = "FG-BMK"
HUMAN = "human-oriented"
TOPS = (f"{NAME}/{HUMAN}", f"{NAME}/benchmark/{HUMAN}")
HIERARCHY = "hierarchical_granularity_recognition"
KNOWLEDGE_BIAS = "knowledge_bias_estimination"  # as published
KNOWLEDGE_BIAS_FOLDERS = (KNOWLEDGE_BIAS, "knowledge_bias_estimation")
ATTRIBUTES = "attribute_recognition"
WORDINGS = "wordings"  # not published: the same questions in every wording
ATTRIBUTE_ENDING = "_attribute_questions.jsonl"
HIERARCHY_FILES = tuple(f"{top}/{HIERARCHY}/*/*/*_question_*.jsonl" for top in TOPS)
KNOWLEDGE_BIAS_FILES = tuple(f"{top}/{folder}/*/questions_*.jsonl" for top in TOPS for folder in KNOWLEDGE_BIAS_FOLDERS)
ATTRIBUTE_FILES = tuple(f"{top}/{ATTRIBUTES}/*{ATTRIBUTE_ENDING}" for top in TOPS)
WORDING_FILES = (f"{TOPS[0]}/{WORDINGS}/*/*/*_question_*.jsonl",)
QUESTION_FILES = (*HIERARCHY_FILES, *KNOWLEDGE_BIAS_FILES, *ATTRIBUTE_FILES, *WORDING_FILES)

# source -> the data set's name in FG-BMK's paths, where it is another
DATASETS = {"dogs": "stanforddog", "cars": "stanfordcar", "inat2021": "iNat2021"}


def dataset_of(source: str) -> str:
    return DATASETS.get(source, source)
