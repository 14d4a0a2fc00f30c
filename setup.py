"""What pyproject.toml cannot say: the wheel holds recipes/ and slurm/ too, as folders of fgtrain/shipped."""

from setuptools import find_packages, setup

DATA = {"fgtrain.shipped.recipes": "recipes", "fgtrain.shipped.slurm": "slurm"}

setup(
    packages=[*find_packages(include=["data_builders*", "evaluation*", "fgtrain*"]), *DATA],
    package_dir=DATA,
)
