"""Why torch cannot compute on the GPUs that are here, in one message: its build, the driver, their kind, their number.

Pure; `own_gpu.look` finds the facts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from fgtrain.recipe.devices_schema import Devices

# CUDA's major version -> the driver that it wants (CUDA Toolkit release notes, "Minimum Required Driver Version for
# CUDA Minor Version Compatibility").
DRIVERS = {11: 450, 12: 525, 13: 580}
WHEELS = {12: "cu126", 13: "cu130"}  # at download.pytorch.org/whl: builds of torch for them
CPU = "or write devices.accelerator=cpu"


@dataclass(frozen=True)
class Seen:
    """What torch says of itself and of the GPUs that it sees, and what the system says of its driver."""

    torch: str = ""  # its version
    build: str | None = None  # "13.0": the CUDA that it is built for; None for a build for CPUs
    kernels: tuple[str, ...] = ()  # "sm_90", "compute_90": what it has been compiled for
    driver: str | None = None  # "580.65.06"; None where none was found
    usable: bool = False
    error: str = ""  # why not, as torch tells it
    names: tuple[str, ...] = ()  # of the GPUs
    capabilities: tuple[tuple[int, int], ...] = ()  # of the same: (9, 0)


def fault(seen: Seen, devices: Devices, visible: str | None) -> str | None:
    """What keeps `devices` from computing here, and what to type; None where nothing does.

    `visible`: CUDA_VISIBLE_DEVICES, None where it is not set.
    """
    if not seen.usable:
        return _not_usable(seen)
    for name, capability in zip(seen.names, seen.capabilities, strict=True):
        if not has_kernels(capability, seen.kernels):
            return (
                f"{name} is an sm_{capability[0]}{capability[1]}, and this torch ({seen.torch}) has kernels for "
                f"{', '.join(seen.kernels)} alone. Install a build that has them: {_install(13)}; {CPU}"
            )
    if len(seen.names) < devices.count:
        return _too_few(seen, devices, visible)
    return None


def _not_usable(seen: Seen) -> str:
    driver = f"driver {seen.driver}" if seen.driver else "no driver that answers"
    if seen.build is None:
        return (
            f"a GPU is here ({driver}), but this torch ({seen.torch}) is a build for CPUs. Type: "
            f"{_install(_newest_for(seen.driver))}; {CPU}"
        )
    major = int(seen.build.split(".")[0])
    wants = DRIVERS.get(major)
    if seen.driver and wants and int(seen.driver.split(".")[0]) < wants:
        older = _newest_for(seen.driver)
        instead = f", or take a build for the one that you have: {_install(older)}" if older in WHEELS else ""
        return (
            f"the installed CUDA {major} build of torch ({seen.torch}) wants driver {wants} or newer, yours is "
            f"{seen.driver}. Let it be updated{instead}; {CPU}"
        )
    return (
        f"torch {seen.torch} cannot use the GPU that is here ({driver}): {seen.error or 'it does not say why'}; {CPU}"
    )


def _newest_for(driver: str | None) -> int:
    """The newest CUDA that a driver runs."""
    has = int(driver.split(".")[0]) if driver else max(DRIVERS.values())
    return max((major for major, wants in DRIVERS.items() if wants <= has), default=min(DRIVERS))


def _install(major: int) -> str:
    wheel = WHEELS.get(major, WHEELS[max(WHEELS)])
    return f"pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/{wheel}"


def _too_few(seen: Seen, devices: Devices, visible: str | None) -> str:
    there, listed = len(seen.names), len((visible or "").split(","))
    told = f" (CUDA_VISIBLE_DEVICES={visible})" if visible is not None else ""
    if visible is not None and "MIG-" in visible and listed > there:
        return (
            f"devices.count is {devices.count}, but a process sees one slice of a GPU at a time{told}, and slices "
            f"cannot add up gradients together. Write devices.count=1"
        )
    return (
        f"devices.count is {devices.count}, but torch sees {there} of the GPUs here{told}. Write devices.count={there}"
    )


def shared(places: Sequence[tuple[str, str]]) -> str | None:
    """What to say where two processes would compute on one GPU.

    `places`: (host, GPU's uuid) of each process, by rank.
    """
    first: dict[tuple[str, str], int] = {}
    for rank, place in enumerate(places):
        if first.setdefault(place, rank) != rank:
            return (
                f"processes {first[place]} and {rank} would both compute on GPU {place[1]} of {place[0]}. Each process "
                f"must see all GPUs of its host, or its own alone (CUDA_VISIBLE_DEVICES)"
            )
    return None


def has_kernels(capability: tuple[int, int], kernels: tuple[str, ...]) -> bool:
    """Does a build run on a GPU?

    Machine code (sm) runs on later minor versions of its major one, with an "a" on its own alone; intermediate code
    (compute) on all that are not older (CUDA C++ Programming Guide, "Binary Compatibility").
    """
    known = [re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", kernel) for kernel in kernels]
    if not any(known):
        return True  # not CUDA's
    for kind, major, minor, special in (one.groups() for one in known if one):
        of = int(major), int(minor)
        if of == capability or special == "a":
            if of == capability:
                return True
        elif kind == "compute" and not special:
            if of < capability:
                return True
        elif of[0] == capability[0] and of[1] < capability[1]:
            return True
    return False
