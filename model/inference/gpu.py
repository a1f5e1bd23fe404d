"""NVIDIA GPUs of this machine, and the CUDA libraries that ONNX Runtime's wheels find there.

What is asked, in this order, and none of it needs a driver to be there: the driver's own tool (nvidia-smi),
what the driver shows in /proc, its device files, and the PCI bus, where a card stands that has no driver at
all.

The wheels are built for CUDA 13. Its libraries come as wheels, too (the extras `cuda` and `cudnn` of
onnxruntime-gpu) and lie in site-packages/nvidia, where the system's loader does not look:
`load_cuda_libraries` loads them by their paths, once, before the first model of a process on CUDA. Only the
driver (libcuda.so.1) is the machine's own.

Sources: CUDA 13's release notes (driver 580 at least; Maxwell, Pascal and Volta are no longer supported).
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportAttributeAccessIssue=false, reportUnknownArgumentType=false
# (onnxruntime and onnxruntime_genai have no type stubs)

LEAST_DRIVER = 580
LEAST_CAPABILITY = 7.5
NAMES = ("libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10", "libcufft.so.12",
         "libcudnn.so.9")  # fmt: skip
"""What ONNX Runtime's and genai's providers for CUDA are linked with, in the order in which they need each
other."""
_DEVICES = ("dev/nvidia0", "dev/nvidiactl", "dev/dxg")
_CARDS = "sys/bus/pci/devices"
_NVIDIA, _DISPLAY = "0x10de", "0x03"
_TIMEOUT_S = 10.0
_MIB = 1 << 20
_QUERY = ("name", "memory.total", "memory.free", "driver_version", "compute_cap")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; what nothing tells is "" or None. `capability` is NVIDIA's number of its kind, such as 9.0."""

    name: str = ""
    memory_gb: float | None = None
    free_gb: float | None = None
    driver: str = ""
    capability: float | None = None


@cache
def find_gpus(root: Path = Path("/")) -> tuple[Gpu, ...]:
    """Return the GPUs that a driver shows, in its order; those of `root` where a test has another one."""
    tool = shutil.which("nvidia-smi") if root == Path("/") else None
    told = parse_gpus(_ask(tool)) if tool else ()
    return told or _read_proc(root) or ((Gpu(),) if has_device(root) else ())


def parse_gpus(text: str) -> tuple[Gpu, ...]:
    """Read what the driver's tool prints for `_QUERY`, a line a GPU; a line that is none is left out."""
    lines = [[part.strip() for part in line.split(",")] for line in text.splitlines()]
    return tuple(
        Gpu(line[0], _to_gb(line[1]), _to_gb(line[2]), line[3], _to_number(line[4]))
        for line in lines
        if len(line) == len(_QUERY) and _to_gb(line[1]) is not None
    )


def has_device(root: Path = Path("/")) -> bool:
    """Tell whether a driver shows a GPU to this process."""
    return any((root / path).exists() for path in _DEVICES)


def has_card(root: Path = Path("/")) -> bool:
    """Tell whether a card of NVIDIA's is in the machine, with a driver or without."""
    for device in (root / _CARDS).glob("*"):
        try:
            vendor = (device / "vendor").read_text("ascii").strip()
            kind = (device / "class").read_text("ascii").strip()
        except OSError:
            continue
        if vendor == _NVIDIA and kind.startswith(_DISPLAY):
            return True
    return False


def is_built_for_cuda() -> bool:
    """Tell whether the CUDA build of onnxruntime-genai is installed."""
    import onnxruntime_genai as og  # noqa: PLC0415 - a second, for who only looks for the hardware

    return bool(og.is_cuda_available())


def explain_unused_gpu(wanted: str, *, built_for_cuda: bool, has_driver: bool, named: str = "") -> str:
    """Return a sentence on a GPU that is there while the processor computes, and on what would use it.

    `wanted` is the setting `device`; `has_driver` is whether a driver shows the GPU to this process, and
    `named` what it calls it.
    """
    gpu = f"this machine's GPU ({named})" if named else "this machine's NVIDIA GPU"
    why = f"The model runs on the processor, and {gpu} is not used"
    if not has_driver:
        return f"{why}: no driver shows it here. Install NVIDIA's driver; a container needs `--gpus all`."
    if not built_for_cuda:
        return f"{why}: the packages for CUDA are missing. `make run RUNTIME=gpu` installs them."
    if wanted == "cpu":
        return f"{why}, because the setting device is cpu."
    return ""


def find_unused_gpu(wanted: str) -> str:
    """Return that sentence for this machine; "" where it has no GPU, or uses it."""
    if not has_device() and not has_card():
        return ""
    named = next((gpu.name for gpu in find_gpus() if gpu.name), "")
    built = is_built_for_cuda()
    return explain_unused_gpu(wanted, built_for_cuda=built, has_driver=has_device(), named=named)


def find_cuda_libraries() -> dict[str, str]:
    """Return where each of `NAMES` is: a path in site-packages, "system", or "" where it is nowhere."""
    return {name: _find_wheel_file(name) or ("system" if can_load(name) else "") for name in NAMES}


def can_load(name: str) -> bool:
    """Tell whether the system's loader finds a library; it is loaded then."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


@cache
def load_cuda_libraries() -> None:
    """Load CUDA's libraries into this process, those of the wheels first.

    What is missing is left to the loading of the model, which names it.
    """
    import onnxruntime  # noqa: PLC0415 - a second and 40 MB, for processes that compute on a GPU

    onnxruntime.preload_dlls()


def _find_wheel_file(name: str) -> str:
    for folder in sys.path:
        found = sorted(Path(folder).glob(f"nvidia/*/lib/{name}"))
        if found:
            return str(found[0])
    return ""


def _ask(tool: str) -> str:
    command = [tool, f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _read_proc(root: Path) -> tuple[Gpu, ...]:
    """Return the names of GPUs that the kernel's part of the driver shows; it tells no memory."""
    driver = root / "proc/driver/nvidia"
    version = re.search(r"\s(\d{3}\.\d+(?:\.\d+)?)\s", _read(driver / "version"))
    files = sorted(driver.glob("gpus/*/information"))
    names = (re.search(r"^Model:\s*(.+)$", _read(file), re.MULTILINE) for file in files)
    return tuple(Gpu(name[1].strip() if name else "", driver=version[1] if version else "") for name in names)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _to_gb(mib: str) -> float | None:
    number = _to_number(mib)
    return None if number is None else number * _MIB / 1e9


def _to_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
