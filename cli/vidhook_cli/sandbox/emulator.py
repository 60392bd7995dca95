"""MiniStack as a child that no parent leaves behind: `python -m vidhook_cli.sandbox.emulator`, in a session of its own.

Standard input is a pipe of which only the parent holds the other end. It ends when the parent closes it, and as well
when the parent dies of whatever, SIGKILL included. Then everything here dies at once: the emulator, and the Lambdas it
runs as processes.
"""

import hashlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

from ministack import app

unpack = zipfile.ZipFile.extractall
unpacking = threading.Lock()
remember_origin = app.pin_request_origin


def die_with_parent() -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def unpack_once(archive: zipfile.ZipFile, path: str) -> None:
    """Makes the empty folder `path` a link to the archive's files, which are unpacked the first time only.

    Each Lambda process has its code and its layers unpacked for itself, which takes longer than all the rest of its
    cold start; on AWS they are read-only, so they may as well be shared.
    """
    contents = repr([(entry.filename, entry.CRC) for entry in archive.infolist()])
    shared = Path(tempfile.gettempdir(), hashlib.sha256(contents.encode()).hexdigest())
    with unpacking:
        if not shared.exists():
            unpack(archive, shared)
    Path(path).rmdir()
    Path(path).symlink_to(shared)


def call_loopback_secure(source_ip: str, secure_transport: bool) -> None:
    """Policies that insist on TLS protect what travels through a network; nothing here leaves the machine."""
    remember_origin(source_ip, True)


if __name__ == "__main__":
    threading.Thread(target=die_with_parent, daemon=True).start()
    zipfile.ZipFile.extractall = unpack_once  # type: ignore[assignment,method-assign]
    app.pin_request_origin = call_loopback_secure
    app.main()
