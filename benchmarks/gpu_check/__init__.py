"""The parts of gpu_check.py, each run in a process of its own. A part is `run(check, found)` in a file of its own."""
