"""The synthesizers of sdv as methods: same seed, same model, same rows, and no trace left in global state.

sdv is under the Business Source Licence and optional: it is imported only when a method is fitted.
"""

from __future__ import annotations

import contextlib
import io
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import joblib  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import torch

from tabstep.baselines.row_form import conform
from tabstep.contracts import Unsupported
from tabstep.data.table import Schema

Synthesizer = Literal["CTGANSynthesizer", "CopulaGANSynthesizer", "TVAESynthesizer"]

TABLE = "table"  # sdv names every table, also a single one


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch, and restore them on the way out.

    sdv, ctgan and rdt draw from them. Only the CUDA device in use is touched, and none for a CPU run. `seed`
    is in 0..2**32 - 1 (numpy's range).
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    cuda = device.type == "cuda"
    with (
        torch.random.fork_rng(devices=[device] if cuda else []),
        torch.cuda.device(device) if cuda else contextlib.nullcontext(),
    ):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def describe(schema: Schema) -> dict[str, Any]:
    """Metadata of the table in sdv's own JSON form: every column numerical or categorical, none detected."""
    sdtypes = {
        column: {"sdtype": "numerical" if column in schema.numbers else "categorical"}
        for column in schema.columns
    }
    return {"tables": {TABLE: {"columns": sdtypes}}, "relationships": [], "METADATA_SPEC_VERSION": "V1"}


@dataclass(frozen=True)
class Fitted:
    """A fitted synthesizer of sdv."""

    synthesizer: Any
    form: pd.DataFrame  # no rows: columns and dtypes of the training table
    schema: Schema
    device: torch.device

    def sample(self, n: int, *, seed: int) -> pd.DataFrame:
        """Draw `n` rows, whatever was drawn before; `seed` is in 0..2**32 - 1."""
        with seeded(seed, self.device):
            self.synthesizer.reset_sampling()
            # sdv has no public seed: without this call it makes the same one with a constant, once.
            self.synthesizer._set_random_state(seed)
            rows = self.synthesizer.sample(n)[TABLE]
        return conform(rows, self.form, self.schema)


def fit(
    synthesizer: Synthesizer,
    options: Mapping[str, Any],
    train: pd.DataFrame,
    schema: Schema,
    *,
    seed: int,
    device: str,
) -> Fitted:
    """Fit sdv's `synthesizer` with its keyword `options` on `train`, on `device`: "cpu" or a CUDA device.

    Numbers keep the decimals and the range of the training table, sdv's defaults. Raises Unsupported without
    sdv, and for a device that it cannot use; sdv itself would run on the CPU instead.
    """
    try:
        from sdv import single_table
        from sdv.metadata import Metadata
    except ModuleNotFoundError as error:
        raise Unsupported("needs sdv: pip install 'tabstep[sdv]'") from error
    where = torch.device(device)
    if where.type not in ("cpu", "cuda") or (where.type == "cuda" and not torch.cuda.is_available()):
        raise Unsupported(f"sdv trains on the CPU or an available CUDA device, got {device!r}")
    with (
        seeded(seed, where),
        # ctgan would otherwise start a pool of processes over all cores, from 500 rows on.
        joblib.parallel_config(backend="sequential"),
        # The GANs print an alert for tables of more than 1000 encoded columns.
        contextlib.redirect_stdout(io.StringIO()),
    ):
        fitted = getattr(single_table, synthesizer)(
            Metadata.load_from_dict(describe(schema)),
            enforce_rounding=True,
            enforce_min_max_values=True,
            enable_gpu=where.type == "cuda",
            verbose=False,
            **options,
        )
        fitted.fit({TABLE: train[list(schema.columns)]})  # its own copy
    return Fitted(fitted, train.head(0), schema, where)
