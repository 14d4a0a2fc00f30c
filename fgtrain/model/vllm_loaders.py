"""What vLLM's loaders read of each family."""
from typing import Any
def read_names(config: dict[str, Any], shapes: dict[str, tuple[int, ...]], place: str) -> list[str]:
    return list(shapes)
