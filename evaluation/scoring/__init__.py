"""From answers to scores: rules, metrics, groups, intervals, and the files that answers and scores lie in."""
