"""A drawn world: fine-grained categories in CUB's layout, general skills, and what its little encyclopedia knows."""
