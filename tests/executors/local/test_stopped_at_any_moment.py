"""Stopped at any moment, by whatever, the same command ends with what a run gives that nothing has stopped."""

import json
from pathlib import Path

import pytest
from law_fakes import TWO, Run, law_recipe
from moments import Moment, expected_status
from run_fakes import left_over, when_all_have_ended

BUILDING = ("build-short_answer", "data_builders.shared.files", "atomic_write")
PREPARING = ("prepare", "fgtrain.jobs.prepare", "write_plan")
ENCODING = ("encode", "fgtrain.jobs.encode", "question_cache")
ASKING = ("evaluate", "fgtrain.training.answerer", "ModelAnswerer.answer")
TRAINING = ("train", "fgtrain.training.module", "StageModule.training_step")
SAVING_RESUME = ("train", "fgtrain.training.resume", "publish")
SAVING = ("train", "fgtrain.model.checkpoint", "write_checksums")
REPORTING = ("report", "fgtrain.jobs.report", "write_report")

# One run that is stopped on its way again and again: each start gets a little further.
ONE_PROCESS = [
    Moment(*BUILDING, 1, "SIGTERM starter"),
    Moment(*PREPARING, 1, "SIGKILL job"),
    Moment(*ENCODING, 1, "SIGKILL starter"),
    Moment(*TRAINING, 5, "SIGINT starter"),
    Moment(*SAVING, 1, "SIGINT starter twice"),
    Moment(*ASKING, 2, "SIGUSR1 starter"),
    Moment(*REPORTING, 1, "SIGTERM starter"),
]
TWO_PROCESSES = [
    Moment(*ENCODING, 1, "SIGKILL job", rank=1),
    Moment(*TRAINING, 2, "SIGKILL job", rank=1),
    Moment(*TRAINING, 5, "SIGTERM starter", rank=1),
    Moment(*SAVING_RESUME, 1, "SIGKILL starter"),
    Moment(*SAVING, 1, "SIGKILL job"),
    Moment(*ASKING, 1, "raise", rank=1),
]
EXACT = ("stage", "step", "samples_seen", "label_weight")  # however many processes there are
WHATS = ("SIGTERM starter", "SIGUSR1 starter", "SIGINT starter", "SIGINT starter twice", "SIGKILL starter")
EVERY = (BUILDING, PREPARING, ENCODING, ASKING, TRAINING, SAVING_RESUME, SAVING, REPORTING)


def stopped(run: Run, moment: Moment) -> None:
    """One start that does not get further than the moment: it says why, once, and leaves nothing behind."""
    process = run.begin(moment)
    output, _ = process.communicate(timeout=600)
    assert process.happened.exists(), output
    assert process.returncode == expected_status(moment.what), (moment, output)
    if moment.what == "SIGKILL starter":
        when_all_have_ended(process)  # by themselves
    assert not left_over(process), (moment, output)
    if moment.what == "raise":
        assert output.count("RuntimeError: broken on purpose") == output.count("Traceback") == 1, output
        return
    assert "Traceback" not in output, (moment, output)
    if moment.what == "SIGKILL job":
        assert output.count("was ended by SIGKILL") == 1, output
        assert (f"process {moment.rank} of" in output) == bool(run.words), output
    elif moment.what == "SIGINT starter twice":
        assert "second Ctrl-C" in output, output
    elif moment.what != "SIGKILL starter":
        assert f"stopped by {moment.what.partition(' ')[0]}" in output, output
        assert "the same command goes on from there" in output, output


def goes_on(run: Run, moments: list[Moment]) -> None:
    """Start it again and again; what was finished is never made again."""
    made: dict[str, int] = {}
    for moment in (*moments, None):
        if moment is not None:
            stopped(run, moment)
        else:
            status, output = run.start()
            assert status == 0, output
        found = run.made()
        assert made.items() <= found.items(), (moment, made, found)
        made = found
    assert (run.folder / "report.html").is_file()


def test_a_run_on_one_process_that_is_stopped_everywhere_is_as_one_that_never_was(place: Path, whole: Run) -> None:
    run = Run(place, law_recipe(place))
    goes_on(run, ONE_PROCESS)
    run.is_as(whole)
    # No question is asked twice, and no step done twice but those that a second Ctrl-C has cut off from a resume point.
    again = {"micro-batches": 3}
    assert run.counted() == {name: number + again.get(name, 0) for name, number in whole.kept["counted"].items()}


def test_a_run_on_two_processes_whose_second_one_fails_everywhere_is_as_one_that_never_did(
    place: Path, whole_of_two: Run
) -> None:
    run = Run(place, law_recipe(place), TWO)
    goes_on(run, TWO_PROCESSES)
    run.is_as(whole_of_two)


def test_two_processes_come_to_what_one_comes_to(whole: Run, whole_of_two: Run) -> None:
    ones, twos = whole.kept["metrics"], whole_of_two.kept["metrics"]
    for one, two in zip(ones, twos, strict=True):
        assert [two[key] for key in EXACT] == [one[key] for key in EXACT]
        assert two["loss"] == pytest.approx(one["loss"], rel=2e-3)
    assert twos[0]["grad_norm"] == pytest.approx(ones[0]["grad_norm"], rel=1e-4)
    assert json.dumps(whole_of_two.kept["scores"]) == json.dumps(whole.kept["scores"])


@pytest.mark.slow
@pytest.mark.parametrize("at", EVERY, ids=lambda at: at[0] + " " + at[2])
@pytest.mark.parametrize("words", [(), TWO], ids=["one process", "two processes"])
def test_everything_may_happen_at_every_moment(
    place: Path, whole: Run, whole_of_two: Run, at: tuple[str, str, str], words: tuple[str, ...]
) -> None:
    alone = at in (BUILDING, PREPARING, REPORTING)
    first = 3 if at == TRAINING else 1
    whats = [*WHATS, "SIGKILL job", "raise"]
    moments = [Moment(*at, first, what) for what in whats]
    if words and not alone and at not in (SAVING, SAVING_RESUME):
        moments += [Moment(*at, first, what, rank=1) for what in whats]
    run = Run(place, law_recipe(place), words)
    goes_on(run, moments)
    run.is_as(whole_of_two if words else whole)
