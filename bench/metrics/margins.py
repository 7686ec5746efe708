"""By how much a score may be worse than that of all steps and still count as kept: what few steps are judged by.

Constants, in the units of the scores: those that scatter more must not be allowed more. Each is 1, 2, 3 or 5 of a
decimal, and about twice to six times the deviation that draws of one network have at 20 evaluations or more, on tables
of 5,000 rows or more (`results/README.md` has the numbers, made from the records of `results/few-steps`); not once,
because dozens of means have to keep it. F1 scatters more than R2 and has no more: what is 1 % worse is not equal. Where
a table is small, or few seeds were run, a measure can scatter more than a margin: then nothing is judged.
"""

from __future__ import annotations

UTILITY = 0.01  # macro-F1, or R2
C2ST = 0.03
WASSERSTEIN = 0.005
TREND = 0.005
RECALL = 0.02
COVERAGE = 0.02
