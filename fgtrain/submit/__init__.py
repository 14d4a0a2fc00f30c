"""Runs on a Slurm cluster: a profile of the machine, one job a stage, scripts that go on after a time limit."""
