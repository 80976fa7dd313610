"""The one tree of errors, and the exit code of each branch.

An error says what happened, to what, and what to do next; it carries its facts as fields. Only
``edgekit.cli.entry_point`` catches :class:`EdgekitError`; anything else that reaches it is a defect
of edgekit, is shown with its traceback and never looks like a failed proof (exit code 1).

==== =======================================================================
code meaning
==== =======================================================================
0    done; for ``verify``: bit-exact on every input
1    ``verify`` ran and the device differs from the golden
2    the command, a file, a model, a picture folder or a setting is not usable
3    the device or the link failed
4    a toolchain is missing or a compiler failed
5    the project was generated but not compiled, because its SDK is not installed
6    the model does not fit the board
7    ``verify`` ran; the device differs from the golden as its engine may, and was accepted
70   a defect of edgekit itself: the traceback says where
130  interrupted
==== =======================================================================
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

EXIT_DIFFERS = 1
EXIT_TOLERATED = 7
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130


class EdgekitError(Exception):
    """Base of every error that a user can cause or mend. The message is the whole explanation."""

    exit_code: ClassVar[int] = 2


class UsageError(EdgekitError):
    """A flag, setting or file given by the user is wrong."""


class DataError(EdgekitError):
    """A picture folder cannot be used."""


class ModelError(EdgekitError):
    """A model file is broken, is not full int8, or cannot be trained or converted."""


class InterruptedTrainingError(EdgekitError):
    """Training was ended by Ctrl-C; the weights of ``best_epoch`` are saved in ``model_file``."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self, model_file: str, best_epoch: int) -> None:
        self.model_file = model_file
        self.best_epoch = best_epoch
        super().__init__(
            f"training was interrupted. The best weights so far, of epoch {best_epoch}, are in {model_file} "
            "and later stages use them; `edgekit train --force` trains again."
        )


class UnsupportedOperatorError(ModelError):
    """An operator of the model (``opcode`` at position ``op_index``) has no int8 implementation here."""

    def __init__(self, opcode: str, op_index: int, supported: Iterable[str], detail: str = "") -> None:
        self.opcode = opcode
        self.op_index = op_index
        self.supported = tuple(sorted(supported))
        reason = f" ({detail})" if detail else ""
        super().__init__(
            f"operator {op_index} of the model, {opcode}, is not supported{reason}. "
            f"Supported operators: {', '.join(self.supported)}."
        )


class UnknownNameError(UsageError):
    """A name is not one of those known: a board, a setting, an engine. Names the nearest known one."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind = kind
        self.name = name
        self.known = tuple(known)
        self.nearest = nearest_name(name, self.known)
        message = f"there is no {kind} called '{name}'."
        if self.nearest is not None:
            message += f" Did you mean '{self.nearest}'?"
        elif self.known:
            message += f" Known: {', '.join(self.known)}."
        super().__init__(f"{message} {hint}".strip())


class DeviceError(EdgekitError):
    """The device, its emulator or the link to it failed."""

    exit_code = 3


class PortUnavailableError(DeviceError):
    """A port is missing, busy, not permitted, or was lost: perhaps only while a board restarts."""


class NoAnswerError(DeviceError):
    """The device did not answer a request (``request``) sent ``attempts`` times within ``waited_s``."""

    def __init__(self, device: str, request: str, attempts: int, waited_s: float, hint: str) -> None:
        self.request = request
        self.attempts = attempts
        self.waited_s = waited_s
        super().__init__(
            f"{device} did not answer {request}, sent {attempts} times in {waited_s:.1f} s. {hint}"
        )


class RequestRefusedError(DeviceError):
    """The device answered a request (``request``) with an error ``code`` and a ``sentence`` of its own."""

    def __init__(self, device: str, request: str, code: int, sentence: str, hint: str) -> None:
        self.request = request
        self.code = code
        self.sentence = sentence
        super().__init__(f"{device} refused {request}: {sentence} (code {code:#x}). {hint}".rstrip())


class WrongModelError(DeviceError):
    """The device runs another model than the one to be verified."""

    def __init__(self, expected_sha256: str, device_sha256: str) -> None:
        self.expected_sha256 = expected_sha256
        self.device_sha256 = device_sha256
        super().__init__(
            f"the device runs model {device_sha256[:12]}…, but the model to verify is "
            f"{expected_sha256[:12]}…. Flash the firmware built from this model, or name the model "
            "that the device runs with --model."
        )


class ToolchainError(EdgekitError):
    """A compiler or flashing tool is missing or failed."""

    exit_code = 4


class NotCompiledError(ToolchainError):
    """The project was generated, but the SDK that compiles it is not installed."""

    exit_code = 5


class DoesNotFitError(EdgekitError):
    """The model needs more ``memory`` ("RAM", "flash", …) than the board has. All sizes in bytes."""

    exit_code = 6

    def __init__(self, board: str, memory: str, needed_bytes: int, available_bytes: int, hint: str) -> None:
        self.board = board
        self.memory = memory
        self.needed_bytes = needed_bytes
        self.available_bytes = available_bytes
        self.missing_bytes = needed_bytes - available_bytes
        super().__init__(
            f"the model does not fit {board}: it needs {needed_bytes:,} bytes of {memory}, the board "
            f"has {available_bytes:,}; {self.missing_bytes:,} bytes are missing. {hint}"
        )

    def with_hint(self, hint: str) -> DoesNotFitError:
        """The same with other advice."""
        return DoesNotFitError(self.board, self.memory, self.needed_bytes, self.available_bytes, hint)


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name`` (case ignored), or None where none is close."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None
