"""Watches with strace whom a process and all its children speak to.

A name look-up counts as leaving the machine, even where a resolver on this machine would answer it: nobody
looks up a name to keep quiet.
"""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

CALLS = "connect,sendto,sendmsg,sendmmsg,accept,accept4,execve,io_uring_setup"
_RESOLVERS = re.compile(r'sun_path=@?"[^"]*(nscd|systemd\.resolve|io\.systemd\.Resolve|avahi)')
_LOOPBACK = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "(::1|::ffff:127\.[\d.]+)"')
_DNS = re.compile(r"sin6?_port=htons\((53|853|5353)\)")
_SENDS = re.compile(r"(connect|sendto|sendmsg|sendmmsg)\(")


@dataclass(frozen=True, slots=True)
class Watch:
    """One trace, in a file that strace writes."""

    trace: Path

    @property
    def under(self) -> list[str]:
        """What stands before the command, which keeps its process id: signals reach it and not strace."""
        strace = shutil.which("strace") or "strace"
        return [
            strace,
            "-D",
            "-f",
            "-q",
            "--seccomp-bpf",
            "-s",
            "200",
            "-e",
            f"trace={CALLS}",
            "-o",
            str(self.trace),
        ]

    def lines(self, pid: int) -> list[str]:
        """Return the whole trace of a command that has ended, one call a line: strace ends a little later."""
        gone = re.compile(rf"^{pid} +\+\+\+ ", re.MULTILINE)
        for _ in range(200):
            if self.trace.exists() and gone.search(text := self.trace.read_text(errors="replace")):
                return whole_calls(text.splitlines())
            time.sleep(0.05)
        raise AssertionError(f"strace wrote no end of {pid} into {self.trace}")


def whole_calls(lines: list[str]) -> list[str]:
    """Put the two halves of a call together that another thread's line has parted."""
    begun: dict[str, str] = {}
    whole: list[str] = []
    for line in lines:
        pid = line.partition(" ")[0]
        if line.endswith("<unfinished ...>"):
            begun[pid] = line.removesuffix("<unfinished ...>").rstrip()
        elif "<... " in line and pid in begun:
            whole.append(f"{begun.pop(pid)} {line.partition(' resumed>')[2].strip()}")
        else:
            whole.append(line)
    return whole + list(begun.values())


def leaving(lines: list[str]) -> list[str]:
    """Return the calls that speak to another machine, or ask for one's address."""
    return [line for line in lines if _leaves(line)]


def _leaves(line: str) -> bool:
    if "io_uring_setup(" in line:
        return True  # what goes through there, nobody sees here
    if not _SENDS.search(line):
        return False
    if "sa_family=AF_UNIX" in line:  # nobody hears where nobody listens: ENOENT
        return bool(_RESOLVERS.search(line)) and "ENOENT" not in line and "ECONNREFUSED" not in line
    if "sa_family=AF_INET" in line:
        return not _LOOPBACK.search(line) or bool(_DNS.search(line))
    if "sa_family=" in line:  # the kernel itself (AF_NETLINK), and an unconnecting (AF_UNSPEC)
        return "AF_NETLINK" not in line and "AF_UNSPEC" not in line
    return False  # over a connection whose beginning was seen
