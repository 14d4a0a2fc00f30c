"""Rows looked at by forks: the same result as by one process, in the same order, and one that fails ends them all."""

import os

import pytest

from fgtrain.data import in_parts as module
from fgtrain.data.in_parts import in_parts
from fgtrain.errors import UserError


@pytest.fixture
def forking(monkeypatch):
    monkeypatch.setattr(module, "WORTH_FORKING", 1)
    monkeypatch.setattr(module, "AT_ONCE", 7)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def test_forks_give_every_row_once_and_in_order(forking):
    found = list(in_parts(lambda start, stop: (os.getpid(), list(range(start, stop))), 40))
    assert [row for _, part in found for row in part] == list(range(40))
    assert os.getpid() not in {process for process, _ in found}


def test_few_rows_are_looked_at_here():
    assert {process for process, _ in in_parts(lambda start, stop: (os.getpid(), stop), 40)} == {os.getpid()}


def test_what_one_raises_ends_all(forking):
    def look(start: int, stop: int) -> int:
        if start:
            raise UserError(f"row {start}")
        return stop

    with pytest.raises(UserError, match="row 7"):
        list(in_parts(look, 40))
    assert not module._work


def test_who_stops_reading_ends_them(forking):
    parts = in_parts(lambda start, stop: stop, 400)
    assert next(parts) == 7
    parts.close()
    assert not module._work
