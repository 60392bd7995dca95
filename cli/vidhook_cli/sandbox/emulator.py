"""MiniStack as a child that no parent leaves behind: `python -m vidhook_cli.sandbox.emulator`, in a session of its own.

Standard input is a pipe of which only the parent holds the other end. It ends when the parent closes it, and as well
when the parent dies of whatever, SIGKILL included. Then everything here dies at once: the emulator, and the Lambdas it
runs as processes.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading


def die_with_parent() -> None:
    sys.stdin.buffer.read()
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    from ministack import app

    threading.Thread(target=die_with_parent, daemon=True).start()
    # Policies that insist on TLS protect what travels through a network. Nothing here leaves the machine.
    remember_origin = app.pin_request_origin
    app.pin_request_origin = lambda source_ip, secure_transport: remember_origin(source_ip, True)
    app.main()
