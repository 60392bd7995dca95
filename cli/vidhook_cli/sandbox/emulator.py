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
    from ministack.app import main

    threading.Thread(target=die_with_parent, daemon=True).start()
    main()
