"""From a suite to finished cells: plan, workers, stages, kept rows, timing.

Tuning, sharing, studies and the command line may import from here. Begin with `plan.py`, then `run.py`.
"""
