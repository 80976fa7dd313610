"""What a model will cost on a board, told before any compiler runs.

Three steps: what a layer has to do (``work``), what that was measured to cost for a core and a compiler
(``tables``, made by ``benchmarks/calibrate.py``), and the sum of both (``prediction``).
"""
