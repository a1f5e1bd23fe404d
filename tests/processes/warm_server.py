"""Starts `python -m MODULE …` in a few milliseconds: forked from a process that has its libraries already.

Run as: python -m tests.processes.warm_server PROCESS SOCKET LIBRARY...    it returns once the server listens

Our program starts processes for what may be killed: to read a foreign page (0.4 s of a processor for
imports), to train and to export a model (5 s). Tests that start many of them for another reason than the
start run `launcher_text` as Python (`tests/builders/warm.py`). It hands its arguments, folder, environment
and standard files to this server and waits for the end of the process that the server forks; where the
launcher is killed, that one is, too. The server ends with PROCESS, and takes the socket's folder with it.

A library that begins with "!" is not there for those that look for it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from core.files import only_one
from tests.needs import ROOT

PYTHON = sys.executable
FILES = 3
_MOST = 1_000_000


def launcher_text(python: str, address: str, modules: tuple[str, ...]) -> str:
    """Return a program that takes Python's place: it starts these modules warm, and all else as ever."""
    return f"""#!{python} -IS
import json, os, socket, sys
words = sys.argv[1:]
at = words.index("-m") if "-m" in words else -1
if at < 0 or words[at + 1] not in {modules!r} or not all(one in ("-u", "-W", "ignore") for one in words[:at]):
    os.execv({python!r}, [{python!r}, *words])
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
request = json.dumps([words[at + 1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(request).to_bytes(8, "big") + request], range({FILES}))
for file in range({FILES}):
    os.close(file)
status = int(server.recv(16) or b"1")
if status < 0:
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@dataclass(frozen=True)
class SharedRun:
    """A run of the tests: the folder that its processes share, and the process that ends last."""

    folder: Path
    process: int


def serve_warm(run: SharedRun, name: str, modules: Sequence[str], libraries: Sequence[str]) -> str:
    """Return the path of a program that takes Python's place and starts these modules warm.

    All processes of a run have one server, since it takes up to ten seconds to import what it has; it ends
    with the run. Only Linux tells of a process's end as a file that can be waited for: elsewhere the program
    is Python itself.
    """
    if not hasattr(os, "pidfd_open"):
        return PYTHON
    launcher = run.folder / name
    with only_one(run.folder / f"{name}.lock"):
        if not launcher.exists():
            address = f"{tempfile.mkdtemp(prefix='warm')}/socket"  # its path may have 100 bytes
            command = [PYTHON, "-W", "ignore", "-m", __name__, str(run.process), address]
            subprocess.run([*command, *libraries], cwd=ROOT, stdin=subprocess.DEVNULL, check=True)
            part = run.folder / f"{name}.part"
            part.write_text(launcher_text(PYTHON, address, tuple(modules)), "utf-8")
            part.chmod(0o700)
            part.rename(launcher)
    return str(launcher)


def main() -> None:
    """Import the libraries, and serve in a process of its own until nobody needs it."""
    needed_by, address, *libraries = sys.argv[1:]
    for name in libraries:
        if name.startswith("!"):
            sys.modules[name[1:]] = None  # type: ignore[assignment]
        else:
            importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(64)
        if os.fork():
            return
        os.setsid()  # an interruption is for those that it serves
        _serve(listening, os.pidfd_open(int(needed_by)))
    shutil.rmtree(Path(address).parent, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Run:
    """A process that was forked, a file that tells of its end, and who waits for that."""

    pid: int
    ends: int
    launcher: socket.socket


def _serve(listening: socket.socket, end: int) -> None:
    """Start what is asked for; tell launchers of its end, and end what has no launcher any more.

    `end` can be read once nobody will ask for anything.
    """
    files = selectors.DefaultSelector()
    files.register(listening, selectors.EVENT_READ)
    files.register(end, selectors.EVENT_READ)
    while True:
        for key, _ in files.select():
            if key.fileobj == end:
                return
            if key.fileobj is listening:
                run = _fork(listening.accept()[0])
                if run is not None:
                    files.register(run.launcher, selectors.EVENT_READ, run)
                    files.register(run.ends, selectors.EVENT_READ, run)
            elif key.fileobj == key.data.ends:
                _tell_end(files, key.data)
            elif key.data.ends in files.get_map():  # the launcher was killed before the process ended
                files.unregister(key.fileobj)
                os.kill(key.data.pid, signal.SIGKILL)


def _tell_end(files: selectors.BaseSelector, run: Run) -> None:
    """Tell a launcher the exit status of its process, negative where a signal ended it."""
    _, status = os.waitpid(run.pid, 0)
    files.unregister(run.ends)
    os.close(run.ends)
    with contextlib.suppress(KeyError):
        files.unregister(run.launcher)
    with contextlib.suppress(OSError):
        run.launcher.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    run.launcher.close()


def _fork(launcher: socket.socket) -> Run | None:
    """Return what a launcher asked for; None for one that was killed before it had asked."""
    try:
        request, taken = _receive(launcher)
    except EOFError:
        launcher.close()
        return None
    pid = os.fork()
    if pid == 0:
        _become(request, taken)
    for file in taken:
        os.close(file)
    return Run(pid, os.pidfd_open(pid), launcher)


def _receive(launcher: socket.socket) -> tuple[list[Any], list[int]]:
    """Return the request and the files of a launcher. Raises EOFError where it is gone."""
    data, taken, _, _ = socket.recv_fds(launcher, _MOST, FILES)
    size = int.from_bytes(data[:8], "big")
    while len(data) < 8 + size:
        more = launcher.recv(_MOST)
        if not more:
            for file in taken:
                os.close(file)
            raise EOFError
        data += more
    return json.loads(data[8:]), taken


def _become(request: list[Any], taken: list[int]) -> NoReturn:
    """Be the process that was asked for, in its folder, with its environment and files."""
    words, folder, environment = request
    status = 1
    try:
        os.setsid()
        for number, file in enumerate(taken):
            os.dup2(file, number)
        os.closerange(FILES, 256)
        sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
        sys.stdout, sys.stderr = (os.fdopen(one, "w", encoding="utf-8", closefd=False) for one in (1, 2))
        os.environ.clear()  # noqa: TID251 - the environment that it was given
        os.environ.update(environment)  # noqa: TID251
        os.chdir(folder)
        sys.path[0] = folder
        sys.argv = [words[0], *words[1:]]
        warnings.simplefilter("ignore")
        status = 0
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as Python itself does with what nobody catches
        sys.excepthook(*sys.exc_info())
        status = 1
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
