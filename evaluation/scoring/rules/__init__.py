"""The rules, one file a family. The registry of their names is `evaluation.scoring.matching.RULES`."""
