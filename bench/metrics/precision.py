"""Whether drawn numbers are as fine as real ones: prices to the cent, dates without a time of day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tabstep.data.forms import decimals
from tabstep.data.table import Schema


def precision(synthetic: pd.DataFrame, train: pd.DataFrame, schema: Schema) -> dict[str, float]:
    """How far the decimals of the training rows are kept to.

    precision_kept  share of values that have no more decimals than all training values of their column have, the mean
                    over the number columns where that is at most nine; 1 where there is no such column. Dates are
                    whole numbers of the coarsest unit that all of them keep to, so theirs is no decimal at all.
    """
    kept = []
    for name in schema.numbers:
        places = decimals(train[name].dropna().to_numpy(np.float64))
        values = synthetic[name].dropna().to_numpy(np.float64)
        if places is not None and len(values):
            kept.append(float((values == np.round(values, places)).mean()))
    return {"precision_kept": float(np.mean(kept)) if kept else 1.0}
