"""Two things of Linux that Python 3.11 does not offer. To be called in a child, between fork and exec."""

import ctypes
import os
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000

# Loaded before the fork: after it, nothing that takes a lock may run.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(number: int, parent: int) -> None:
    """Have the kernel send `number` when the thread that forked us ends. Cleared by a change of user, so set
    it last.

    If the parent died before the call, no signal will ever come: hence the look at getppid.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def enter_user_namespace(uid: int, gid: int) -> None:
    """Look like `uid` to ourselves while every file that we make still belongs to the user who started us."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if _libc is None:
        raise OSError("user namespaces exist on Linux only")
    if _libc.unshare(CLONE_NEWUSER) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1")
