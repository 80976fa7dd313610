"""edgekit: train small, quantize once, generate firmware for any board, and prove it bit by bit.

The package reads as the pipeline, in order:

``data`` → ``models`` → ``training`` → ``quantization`` → ``graph`` → ``codegen`` → ``projects`` →
``toolchains`` → ``flashing`` → ``device`` → ``verification`` → ``reporting``

with ``golden`` (who decides what is exact), ``boards`` (what the targets are), ``workspace`` (where
artefacts lie) and ``pipeline`` (the stages in order) beside it. Importing this package imports
neither TensorFlow nor NumPy.
"""

__version__ = "0.1.0"
