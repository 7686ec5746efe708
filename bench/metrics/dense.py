"""Rows as dense numbers, for evaluators that take nothing else."""

from __future__ import annotations

from typing import Any, Literal

from tabstep.data.table import Schema


def encoder(schema: Schema, scale: Literal["minmax", "quantile"], *, rows: int, seed: int) -> Any:
    """An unfitted transformer of features to float64 (n, d): numbers scaled, labels one-hot.

    A missing number becomes the mean of its column and a column of its own where training has such; a label that
    training lacks has no column. Quantiles are mapped to those of the normal distribution;
    there are as many as the reference has for that number of `rows`, 10 to 1000.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, QuantileTransformer

    scalers = {
        "minmax": MinMaxScaler,
        "quantile": lambda: QuantileTransformer(
            n_quantiles=max(min(rows // 30, 1000), 10), output_distribution="normal", random_state=seed
        ),
    }
    numbers = make_pipeline(SimpleImputer(add_indicator=True, keep_empty_features=True), scalers[scale]())
    return ColumnTransformer(
        [
            ("numbers", numbers, list(schema.numeric)),
            ("labels", OneHotEncoder(handle_unknown="ignore", sparse_output=False), list(schema.categorical)),
        ]
    )
