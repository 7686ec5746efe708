"""Fixed questions with pages of their own in `results/`: samplers, families, latency, inversion.

Only the command line imports from here. Begin with `samplers.py`.
"""
