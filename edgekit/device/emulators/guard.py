"""Runs a command and ends it when its own standard input ends.

An emulator started through this program cannot outlive the process that started it, however that one
ended: the operating system closes the pipe. ``python guard.py COMMAND ARGUMENT…``
"""

import os
import subprocess
import sys
import threading


def main() -> int:
    """The command's exit code; as 128 plus the signal's number where a signal ended it."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def wait_for_end_of_input() -> None:
        while os.read(0, 1):
            pass
        child.kill()

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    # Not sys.exit: the thread still waits for the end of input.
    os._exit(main())
