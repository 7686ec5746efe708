"""What records say, as numbers: results, the vector of few steps, budgets, verdicts, fronts. Nothing is drawn.

Begin with `table.py`, then `vector.py`.
"""
