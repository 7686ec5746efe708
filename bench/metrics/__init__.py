"""Scores of drawn rows, and the evaluators that are trained on them.

The engine, tuning and reports may import from here. Begin with `rows.py`; `facts.py` says what is known of each score.
"""
