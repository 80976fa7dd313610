"""How outputs that do not all equal the golden's are judged, where an engine may differ: litert.

Reference kernels of LiteRT compute the golden's bytes but for the rounding of FULLY_CONNECTED, which is
known exactly, so they are judged by equality, too: with the bytes of that rounding. Fast kernels round in
many places and are judged by tolerance. Neither is ever called bit-exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.graph.ir import Int8Array
from edgekit.verification.verdict import Agreement, Judgement, LayerCheck


@dataclass(frozen=True)
class Tolerance:
    """What fast kernels must keep: ``mean_difference`` is the mean over all bytes of all outputs, in
    quantization steps; ``top1_agreement`` the least share of inputs whose largest output is the same one.

    The largest difference of a single byte is told but not judged: near a decision, one step before a
    softmax becomes dozens after it.
    """

    mean_difference: float = 4.0
    top1_agreement: float = 0.8


DEFAULT_TOLERANCE = Tolerance()


def agreement(expected: Sequence[Int8Array], actual: Sequence[Int8Array]) -> Agreement:
    """How far ``actual`` is from ``expected``; both have (N, *shape) for each output of the model."""
    differences = np.concatenate(
        [
            np.abs(one.astype(np.int16) - other.astype(np.int16)).ravel()
            for one, other in zip(expected, actual, strict=True)
        ]
    )
    same_top1 = _top1(expected[0]) == _top1(actual[0])
    return Agreement(
        max_difference=int(differences.max(initial=0)),
        mean_difference=float(differences.mean()),
        differing_share=float((differences > 0).mean()),
        top1_agreement=float(same_top1.mean()),
    )


def judge_by_tolerance(found: Agreement, tolerance: Tolerance) -> Judgement:
    """Whether ``found`` is within ``tolerance``."""
    accepted = (
        found.mean_difference <= tolerance.mean_difference
        and found.top1_agreement >= tolerance.top1_agreement
    )
    return Judgement(
        rule="tolerance",
        accepted=accepted,
        agreement=found,
        sentence=(
            f"judged by tolerance: bytes may differ by {tolerance.mean_difference:g} on average, and the "
            f"largest output must be the same on {tolerance.top1_agreement:.0%} of the inputs"
        ),
    )


def judge_rounding(found: Agreement, *, explained: bool, layers: LayerCheck | None) -> Judgement:
    """``explained``: whether every byte is what FULLY_CONNECTED gives when it rounds once; ``layers`` is what
    was looked at besides the outputs.
    """
    looked_at = (
        f", also of the outputs of {layers.operators} of {layers.operators_total} operators on "
        f"{layers.inputs} inputs,"
        if layers is not None and layers.operators
        else ""
    )
    return Judgement(
        rule="rounding",
        accepted=explained,
        agreement=found,
        sentence=(
            f"judged by equality with LiteRT's own rounding: every byte{looked_at} "
            "is the golden's with FULLY_CONNECTED rounded once instead of twice"
            if explained
            else "judged by equality: LiteRT's rounding of FULLY_CONNECTED, once instead of twice, does not "
            "explain the difference"
        ),
    )


def _top1(outputs: Int8Array) -> NDArray[np.intp]:
    largest: NDArray[np.intp] = outputs.reshape(len(outputs), -1).argmax(axis=1)
    return largest
