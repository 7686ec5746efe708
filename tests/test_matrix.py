"""A matrix of a table and back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tabstep.data.matrix import Matrix
from tabstep.data.table import Schema


@pytest.mark.parametrize("target", ["label", "height"])
def test_rows_come_back(target: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "height": rng.normal(170, 10, 300),
            "age": rng.integers(1, 90, 300),
            "city": rng.choice(["a", "b", "c"], 300),
            "label": rng.choice(["no", "yes"], 300),
        }
    )
    numbers, labels = ["height", "age"], ["city", "label"]
    schema = Schema(
        "regression" if target == "height" else "binclass",
        target,
        tuple(n for n in numbers if n != target),
        tuple(n for n in labels if n != target),
        frozenset({"age"}),
    )
    matrix = Matrix.fit(frame, schema)
    values = matrix.forward(frame)
    assert values.shape == (300, matrix.width) == (300, 2 + 3 + 2)
    assert set(np.unique(values[:, 2:])) == {0.0, 1.0}
    assert values[:, 2:].sum() == 600
    assert abs(np.median(np.abs(values[:, :2])) - 0.674) < 0.1  # as of N(0, 1)
    back = matrix.inverse(values)
    pd.testing.assert_frame_equal(back[labels], frame[labels])
    assert back["age"].tolist() == frame["age"].tolist()
    assert np.allclose(back["height"], frame["height"], atol=0.05)
    far = matrix.inverse(values * 100 - 3)
    assert far["height"].between(frame["height"].min(), frame["height"].max()).all()
    pd.testing.assert_frame_equal(far[labels], frame[labels])


def test_another_width_is_refused() -> None:
    frame = pd.DataFrame({"x": [0.0, 1.0, 2.0] * 10, "y": ["a", "b", "c"] * 10})
    matrix = Matrix.fit(frame, Schema("multiclass", "y", ("x",), ()))
    with pytest.raises(ValueError, match=r"a matrix of 4 columns, got one of shape \(2, 3\)"):
        matrix.inverse(np.zeros((2, 3)))
