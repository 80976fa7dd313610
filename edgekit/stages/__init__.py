"""The stages in order: train, quantize, build, flash, verify.

Each is a function of a :class:`~edgekit.stages.job.Job`. It first obtains what it needs from the stage
before, which runs only when something changed, and writes into the workspace.
"""
