"""One tiny world for all tests of whole runs."""

from run_fakes import place, tiny_world

__all__ = ["place", "tiny_world"]
