"""The command line of a bundle."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .bundle import KERNELS, Bundle, BundleError, install_hint, this_bundle
from .ports import Port, open_pty, open_serial, open_standard, open_tcp, say

# What needs NumPy is imported where it is used, so that its absence is told in a sentence.
if TYPE_CHECKING:
    from .interpreter import LiteRtModel
    from .link import Link

LOOPBACK = "127.0.0.1"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves the link until the other side ends it. Exit code 1, after a sentence, where it cannot."""
    options = _options(arguments)
    try:
        link = _open_link(this_bundle(), options.kernels, options.threads)
        port = _open_port(options)
    except BundleError as error:
        say(str(error))
        return 1
    try:
        serve(link, port)
    except KeyboardInterrupt:
        return 130
    return 0


def serve(link: Link, port: Port) -> None:
    """Answers what arrives at ``port`` until nothing will come any more."""
    while True:
        data = port.read()
        if not data:
            return
        answer = link.receive(data)
        if answer:
            port.write(answer)


def _open_link(bundle: Bundle, kernels: str | None, threads: int) -> Link:
    try:
        from .interpreter import LiteRtModel, Package
        from .link import Identity, Link
    except ImportError as error:
        raise BundleError(f"NumPy is missing ({error}). {install_hint()}") from error
    package = Package()
    chosen = kernels or bundle.kernels
    identity = Identity(
        board=bundle.board,
        engine=f"litert {chosen} {package.name} {package.version}",
        model_name=bundle.model_name,
        model_sha256=bundle.model_sha256,
        firmware_version=bundle.firmware_version,
    )

    def open_model() -> LiteRtModel:
        return LiteRtModel(package, bundle.model, chosen, bundle.op_outputs, threads, say)

    link = Link(open_model, identity)
    say(f"{bundle.model_name} for {bundle.board}, engine {identity.engine}")
    return link


def _open_port(options: argparse.Namespace) -> Port:
    if options.serial is not None:
        return open_serial(options.serial, options.baud)
    if options.pty:
        return open_pty(say)
    if options.listen is not None:
        address, port = options.listen
        return open_tcp(address, port, say)
    return open_standard()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="edgekit-runner",
        description="Serves the edgekit link of the model in this bundle, on standard input and output "
        "unless told otherwise. Whoever connects can run and restart the model; the link has no passwords.",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--serial", metavar="TTY", help="serve a serial line, such as /dev/serial0")
    where.add_argument("--pty", action="store_true", help="serve a new pseudo-terminal and print its name")
    where.add_argument(
        "--listen",
        type=_address,
        metavar="[ADDRESS:]PORT",
        help=f"serve one TCP client at a time (0: a free port); on {LOOPBACK} unless an address is given",
    )
    parser.add_argument("--baud", type=int, default=115200, help="speed of the serial line")
    parser.add_argument("--kernels", choices=KERNELS, help="other kernels than the bundle was built with")
    parser.add_argument("--threads", type=int, default=1, help="threads of the interpreter")
    return parser.parse_args(arguments)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    number = int(port)
    if not 0 <= number < 1 << 16:
        raise ValueError(text)
    return host or LOOPBACK, number
