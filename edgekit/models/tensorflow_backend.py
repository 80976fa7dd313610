"""The one place that imports TensorFlow, and keeps its C++ side quiet."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeAlias

from edgekit.errors import ToolchainError

# TensorFlow and Keras carry no usable type annotations; these names say what a value is.
TensorFlow: TypeAlias = Any
Keras: TypeAlias = Any
KerasModel: TypeAlias = Any
Tensor: TypeAlias = Any

_QUIET_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}


def load_tensorflow() -> TensorFlow:
    """The ``tensorflow`` module, imported quietly (2 to 8 s the first time).

    Raises ToolchainError that says how to install it.
    """
    if sys.modules.get("tensorflow") is not None:
        return sys.modules["tensorflow"]
    for name, value in _QUIET_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        with quiet_native_output():
            import tensorflow as tf
    except ImportError as error:
        raise ToolchainError(
            f'training and quantization need TensorFlow: pip install "edgekit[train]" ({error}).'
        ) from error
    return tf


def load_keras() -> Keras:
    """The ``keras`` module on TensorFlow. Raises ToolchainError as :func:`load_tensorflow` does."""
    load_tensorflow()
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ToolchainError(
            f"Keras runs on '{keras.backend.backend()}' here; set KERAS_BACKEND=tensorflow and try again."
        )
    return keras


@contextmanager
def quiet_native_output() -> Iterator[None]:
    """Holds back what C and C++ code writes to file descriptors 1 and 2; replays it on an exception.

    The descriptors belong to the whole process: no other thread should write to the terminal meanwhile.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        saved = [os.dup(1), os.dup(2)]
        try:
            os.dup2(held.fileno(), 1)
            os.dup2(held.fileno(), 2)
            yield
        except BaseException:
            _restore(saved)
            _replay(held)
            raise
        _restore(saved)


def _restore(saved: list[int]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    for target, descriptor in zip((1, 2), saved, strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)


def _replay(held: IO[bytes]) -> None:
    held.seek(0)
    while chunk := held.read(65536):
        os.write(2, chunk)
