"""What a file of text says beside its values: its encoding, and how many decimals it writes."""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabstep.data import encodings, inference
from tabstep.data.cards import DataError
from tabstep.data.columns import as_text
from tabstep.data.files import read_table, told
from tabstep.data.listed import lines
from tabstep.data.wishes import Sampling, Wishes

TEXT = "Größe,Ort\n1,Köln\n2,Düsseldorf\n"


@pytest.mark.parametrize("separator", [",", ";"])
def test_a_file_of_windows_is_read_as_it_is_meant_and_told(tmp_path: Path, separator: str) -> None:
    text = TEXT.replace(",", separator)
    read = {}
    for encoding in ("cp1252", "utf-8", "utf-8-sig"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes(text.encode(encoding))
        read[encoding] = read_table(path)
        assert ("read as cp1252, such as 'Größe'" in " ".join(told(path))) == (encoding == "cp1252")
    pd.testing.assert_frame_equal(read["cp1252"], read["utf-8"])
    pd.testing.assert_frame_equal(read["utf-8-sig"], read["utf-8"])


def test_a_file_whose_only_sign_is_that_of_the_euro_shows_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("n;paid\n1;7,50 €\n2;8,20 €\n".encode("cp1252"))
    assert "such as '7,50 €'" in " ".join(told(tmp_path / "a.csv"))


def test_a_letter_between_two_chunks_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "CHUNK", 3)
    (tmp_path / "a.csv").write_text(TEXT, encoding="utf-8")
    assert encodings.encoding_of(tmp_path / "a.csv") == encodings.UTF8


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE], ids=["little", "big"])
def test_a_file_in_utf_16_is_read_as_its_text_in_utf_8(tmp_path: Path, mark: bytes) -> None:
    """With all that is seen of bytes: lines that are no rows, zeros before digits, a plus."""
    rows = "".join(f"0{100 + i}\t{i - 20:+d}\t{'Köln' if i % 3 else 'Łódź'}\n" for i in range(40))
    text = f"Bericht\t\t\nCode\tÄnderung\tOrt\n{rows}Code\tÄnderung\tOrt\n\t\t\n{rows}Summe\t0\t\n"
    encoding = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    wide, plain = tmp_path / "wide" / "a.csv", tmp_path / "plain" / "a.csv"
    for path, content in ((wide, mark + text.encode(encoding)), (plain, text.encode())):
        path.parent.mkdir()
        path.write_bytes(content)
    read, usual = read_table(wide), read_table(plain)
    pd.testing.assert_frame_equal(read, usual)
    assert read.attrs == usual.attrs
    assert [*read["Code"][:2], *read["Änderung"][:2]] == ["0100", "0101", "-20", "-19"]
    assert len(read) == 80
    first, *others = told(wide)
    assert first == "a.csv is in UTF-16; rows are written in UTF-8"
    assert others == told(plain)
    assert len(others) > 2


@pytest.mark.parametrize(
    "content",
    [TEXT.encode().replace("ü".encode(), b"\xfc"), TEXT.encode()[:-1] + b"\xc3", TEXT.encode("utf-16")[:-1]],
    ids=["one bad letter", "cut off", "utf-16 cut off"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.csv is not in UTF-8: byte 0x.. at \d+; save it in UTF-8"):
        read_table(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("written", "padded"),
    [
        (["1.50", "2.25", "", "-3.00"], True),
        (["1.5", "2.25", "", "-3.0"], False),
        (["1.55", "2.25", "", "-3.01"], False),
        (["1.50", "2.25", "1e3", "-3.00"], False),
        (["1.00", "2.00", "", "3.00"], True),
    ],
)
def test_last_zeros_of_decimals_come_back(tmp_path: Path, written: list[str], padded: bool) -> None:
    path = tmp_path / "a.csv"
    path.write_text("price,n\n" + "".join(f"{v},{i}\n" for i, v in enumerate(written)))
    frame = read_table(path)
    columns, faults = inference.infer(frame, Wishes(), Sampling())
    assert not faults
    shown = as_text(columns, pd.DataFrame({"price": [7.0, np.nan, 3.0], "n": [1, 2, 3]}))["price"]
    assert (shown[0] == "7.00") == padded
    assert pd.isna(shown[1])
    (first, _) = lines(frame, columns)
    if padded:  # shown as they stand in the file
        assert set(first.values.split(" .. ")) <= set(written)


def test_whole_numbers_with_gaps_are_shown_whole(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("age,n\n3,1\n,2\n97,3\n50,4\n")
    frame = read_table(tmp_path / "a.csv")
    columns, _ = inference.infer(frame, Wishes(), Sampling())
    assert [line.values for line in lines(frame, columns)] == ["3 .. 97", "1 .. 4"]
