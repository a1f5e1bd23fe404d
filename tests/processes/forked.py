"""`askpage …` as a process of its own that has its libraries already: forked from one that imported them.

A process that starts from nothing takes two seconds of a processor to import LangChain, ONNX Runtime and the
rest. The standard library's fork server imports them once for all tests of a process, and forks. The command
line itself is imported in the child, with its own environment. What a cold start does is for the tests that
start one: tests/test_quiet.py, tests/test_serving.py.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(
    [
        *(
            "bot.app",
            "bot.bootstrap",
            "typer.rich_utils",
            "rich.progress",
            "jobs.registry",
            "azure.cosmos.aio",
        ),
        "tests.builders.world",
    ]
)


Outputs = list[asyncio.StreamReader]


def run_askpage(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None, limit_s: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder to its end, as `subprocess.run` does. Raises TimeoutExpired."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = _fork(arguments, folder, environment, (out.fileno(), err.fileno()))
        process.join(limit_s)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, limit_s)
        said: list[str] = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(arguments, process.exitcode, *said)


class ForkedAskpage:
    """A command that runs, with what tests use of `asyncio.subprocess.Process`."""

    def __init__(
        self, process: BaseProcess, outputs: Outputs, transports: list[asyncio.ReadTransport]
    ) -> None:
        assert process.pid is not None
        self._process = process
        self._ended = asyncio.Event()
        self.pid = process.pid
        self.stdout, self.stderr = outputs
        self._transports = transports
        asyncio.get_running_loop().add_reader(process.sentinel, self._end)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._process.join()
        self._ended.set()

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative where a signal ended it."""
        return self._process.exitcode if self._ended.is_set() else None

    async def wait(self) -> int:
        """Wait for its end."""
        await self._ended.wait()
        assert self._process.exitcode is not None
        return self._process.exitcode

    async def communicate(self) -> tuple[bytes, bytes]:
        """Read both of its outputs to their end, and wait for its own."""
        out, err = await asyncio.gather(self.stdout.read(), self.stderr.read())
        await self.wait()
        return out, err

    def send_signal(self, one: int) -> None:
        """Send a signal, unless it has ended."""
        if not self._ended.is_set():
            os.kill(self.pid, one)

    def close(self) -> None:
        """Read no more of its outputs, which a process of its own may hold open."""
        for transport in self._transports:
            transport.close()

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)


async def start_askpage(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> ForkedAskpage:
    """Start a command in a folder."""
    pipes = os.pipe(), os.pipe()
    process = _fork(arguments, folder, environment, (pipes[0][1], pipes[1][1]))
    (out, out_transport), (err, err_transport) = [await _read_pipe(*pipe) for pipe in pipes]
    return ForkedAskpage(process, [out, err], [out_transport, err_transport])


async def start_module(module: str, *arguments: str) -> ForkedAskpage:
    """Start `python -m MODULE …` of the tests, in this folder; what it writes to stderr goes nowhere."""
    read_end, write_end = os.pipe()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    process = _fork(arguments, Path.cwd(), None, (write_end, nowhere), module)
    os.close(nowhere)
    out, transport = await _read_pipe(read_end, write_end)
    silent = asyncio.StreamReader()
    silent.feed_eof()
    return ForkedAskpage(process, [out, silent], [transport])


async def _read_pipe(read_end: int, write_end: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """Return what reads a pipe whose other end another process has."""
    os.close(write_end)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb")
    )
    return reader, transport


def _fork(
    arguments: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str] | None,
    outputs: tuple[int, int],
    module: str = "",
) -> BaseProcess:
    given = dict(os.environ if environment is None else environment)  # noqa: TID251
    ends = [Connection(os.dup(output), readable=False) for output in outputs]
    words = (module or "askpage", *arguments)
    process = _FORK.Process(target=_become, args=(words, folder, given, *ends), daemon=True)
    process.start()
    for end in ends:
        end.close()
    return process


def _become(
    words: tuple[str, ...], folder: Path, environment: dict[str, str], out: Connection, err: Connection
) -> None:
    """Become `askpage`, or a module, with its arguments: in its folder, with its environment and outputs."""
    for output, stream in ((out, 1), (err, 2)):
        os.dup2(output.fileno(), stream)
        output.close()
    os.environ.clear()  # noqa: TID251
    os.environ.update(environment)  # noqa: TID251
    os.chdir(folder)
    sys.argv = list(words)
    if words[0] != "askpage":
        runpy.run_module(words[0], run_name="__main__")
        return

    from cli.main import main  # noqa: PLC0415 - it reads the environment

    main()
