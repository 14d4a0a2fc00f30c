"""Asks a checkpoint about single photos: on the command line, from Python, in a browser."""

from .load import load

__all__ = ["load"]
