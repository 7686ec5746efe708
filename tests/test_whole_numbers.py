"""Whole numbers of a file are what stands there, whatever their size and whether or not some are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabstep.data.cards import DataError
from tabstep.data.files import read_table
from tabstep.data.forms import EXACT
from tabstep.data.inference import infer
from tabstep.data.wishes import CommandLine, Wishes

KINDS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
SAME = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


def told(column: Any) -> list[int | None]:
    return [None if pd.isna(v) else int(v) for v in column]


@pytest.mark.whole
@SAME
@given(kind=st.sampled_from(KINDS), gaps=st.booleans(), data=st.data())
def test_of_a_file(tmp_path: Path, kind: str, gaps: bool, data: st.DataObject) -> None:
    top = 2 ** (int(kind.lstrip("uint")) - (kind[0] == "i")) - 1
    whole = st.integers(0 if kind[0] == "u" else -top - 1, top)
    values: list[Any] = data.draw(st.lists(st.none() | whole if gaps else whole, min_size=2, max_size=9))
    values.append(top - 1)
    pq.write_table(pa.table({"v": pa.array(values, kind), "k": ["x"] * len(values)}), tmp_path / "a.parquet")
    assert told(read_table(tmp_path / "a.parquet")["v"]) == values
    lines = "".join(f"{'' if v is None else v},x\n" for v in values)
    (tmp_path / "a.csv").write_text(f"v,k\n{lines}")
    assert told(read_table(tmp_path / "a.csv")["v"]) == values
    (tmp_path / "a.csv").write_text(f"v,k\n{lines.replace(',x', ' ,x')}")
    assert told(read_table(tmp_path / "a.csv", missing=[" "])["v"]) == values


def test_small_ones_floats_and_codes_stay_what_they_were(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        f"small,float,code,name\n1,{EXACT}.5,00{EXACT},N\n,1e300,,N\n3,,{EXACT},9{EXACT}\n"
    )
    table = read_table(tmp_path / "a.csv")
    assert table.dtypes.astype(str).tolist() == ["float64", "float64", "object", "object"]
    assert table["code"].tolist() == [f"00{EXACT}", None, str(EXACT)]


@pytest.mark.parametrize("lowest", [-5, 2**64])
def test_beyond_64_bits_they_are_refused(tmp_path: Path, lowest: int) -> None:
    lines = "".join(f"{v},{v % 3}\n" for v in (lowest, *range(2**64 - 40, 2**64)))
    (tmp_path / "a.csv").write_text(f"v,k\n{lines}")
    _, faults = infer(read_table(tmp_path / "a.csv"), Wishes(), CommandLine())
    assert [
        fault for fault in faults if "'v' holds whole numbers beyond 64 bits; --drop v leaves it out" in fault
    ]


def test_marks_of_gaps_among_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"v,k\n{2**63},x\n?,x\nNA,x\n{2**63 + 1},x\n")
    assert told(read_table(tmp_path / "a.csv", missing=["?"])["v"]) == [2**63, None, None, 2**63 + 1]
    with pytest.raises(DataError, match="no column"):
        read_table(tmp_path / "a.csv", literal="z")


@pytest.mark.parametrize("far", [-(2**63), 2**62])
def test_one_far_value_leaves_the_others_as_they_are(far: int) -> None:
    """As a program writes that has -2**63 for none."""
    frame = pd.DataFrame({"n": [far, *range(-40, 40)], "x": 1.0})
    (column, _), faults = infer(frame, Wishes(), CommandLine())
    assert not faults
    assert column.write(pd.Series(column.read(frame["n"]).astype("float64"))).tolist() == frame["n"].tolist()
