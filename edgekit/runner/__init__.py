"""The device's side of the link in Python: what runs on a Linux board under the engine ``litert``.

This package is copied into projects as ``edgekit_runner`` and runs there without edgekit. It needs
Python 3.9, NumPy, and ``tflite-runtime`` or ``ai-edge-litert``; everything else is the standard library's.
"""
