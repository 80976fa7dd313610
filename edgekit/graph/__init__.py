"""From a .tflite to a typed int8 graph, its exact arithmetic, and a NumPy executor."""
