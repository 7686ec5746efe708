"""By how much a score may be worse than that of all steps and still count as kept: what few steps are judged by.

Constants, in the units of the scores: those that scatter more must not be allowed more. Each is three times the
deviation over training seeds that `ancestral` has at 20 evaluations or more in `results/example` (0.010 for C2ST,
0.0016 for Wasserstein, 0.0010 for Trend, 0.006 for beta-recall, 0.004 for coverage, 0.002 for R2), rounded up to 1, 2,
3 or 5 of a decimal; three, because dozens of means have to keep it at once. F1 scatters by 0.010 and has no more than
the 0.01 of R2: what is 1 % worse is not equal.
"""

from __future__ import annotations

UTILITY = 0.01  # macro-F1, or R2
C2ST = 0.03
WASSERSTEIN = 0.005
TREND = 0.005
RECALL = 0.02
COVERAGE = 0.02
