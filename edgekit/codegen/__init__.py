"""The ahead-of-time engine: memory plan, generated C, and the model as a C array."""
