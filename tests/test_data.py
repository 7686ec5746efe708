"""Cards, the three sources, and that nothing unverified passes."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tabstep.data import cards, frames, sources
from tabstep.data.cards import Card, DataError, Mirror, Rows
from tabstep.data.sources import Unreachable
from tabstep.data.table import Dataset, Schema

# fmt: off
PAPER = (
    "abalone", "adult", "buddy", "california", "cardio", "churn2", "default", "diabetes",
    "fb-comments", "gesture", "higgs-small", "house", "insurance", "king", "miniboone", "wilt",
)
# fmt: on
EMBEDDED = ("ames", "breast-cancer", "credit", "diamonds-cut", "diamonds-price", "mlc-churn", "wine")
REAL = os.environ.get(sources.MIRROR_VARIABLE)  # read before the fixture below hides it


@pytest.fixture(autouse=True)
def no_configured_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sources.MIRROR_VARIABLE, raising=False)
    monkeypatch.delenv(sources.ARCHIVE_VARIABLE, raising=False)


# --- a small set, as the mirror and as the archive hold it


def rows() -> pd.DataFrame:
    count = 12
    frame = pd.DataFrame(
        {
            "width": np.linspace(0, 1, count, dtype=np.float32),
            "count": np.arange(count, dtype=np.float32),
            "colour": ["red", "nan", "blue"] * 4,
            "target": np.array([0, 1] * 6),
            "split": ["train"] * 6 + ["val"] * 2 + ["test"] * 4,
        }
    )
    return frame


def arrays(frame: pd.DataFrame) -> dict[str, np.ndarray]:
    found = {}
    for part in frames.PARTS:
        rows_of_part = frame[frame["split"] == part]
        found[f"X_num_{part}.npy"] = rows_of_part[["width", "count"]].to_numpy()
        found[f"X_cat_{part}.npy"] = rows_of_part[["colour"]].to_numpy().astype("<U9")
        found[f"y_{part}.npy"] = rows_of_part["target"].to_numpy()
    return found


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


def members() -> dict[str, bytes]:
    return {f"data/toy/{name}": npy(array) for name, array in arrays(rows()).items()}


def toy(mirror: bytes = b"", archive: Mapping[str, bytes] | None = None) -> Card:
    return Card(
        name="toy",
        source="made here",
        url="",
        licence="CC0-1.0",
        citation="",
        task="binclass",
        target="kind",
        numeric=("width", "count"),
        categorical=("colour",),
        rows=Rows(6, 2, 4),
        authors_split=False,
        mirror=Mirror(sha256(mirror)) if mirror else None,
        archive={Path(name).name: sha256(content) for name, content in (archive or {}).items()},
    )


def from_mirror(folder: Path, frame: pd.DataFrame, **changes: object) -> Dataset:
    path = folder / "toy.parquet"
    frame.to_parquet(path, index=False)
    return sources.load_card(replace(toy(path.read_bytes()), **changes), mirror=folder)  # type: ignore[arg-type]


def from_archive(folder: Path, content: Mapping[str, bytes]) -> Dataset:
    path = write_tar(folder / "data.tar", content)
    return sources.load_card(toy(archive=content), archive=path)


# --- cards


TABSYN = ("tabsyn-adult", "tabsyn-default", "tabsyn-magic")


def test_the_cards_are_those_of_the_two_papers_and_the_embedded_ones() -> None:
    assert set(cards.names()) == {*PAPER, *TABSYN, *EMBEDDED}


@pytest.mark.parametrize("name", [*PAPER, *TABSYN, *EMBEDDED])
def test_a_card_names_its_origin_and_survives_a_round_trip(name: str, tmp_path: Path) -> None:
    card = cards.find(name)
    assert card.name == name
    assert card.url.startswith("https://")
    assert card.source
    assert card.citation
    assert card.licence
    assert (card.embedded is None) == (name in {*PAPER, *TABSYN})
    if name in PAPER:
        # no digests of the authors' X_cat of cardio are known
        has_categories = card.categorical and name != "cardio"
        kinds = ["X_num", "y", "X_cat"] if has_categories else ["X_num", "y"]
        assert set(card.archive) == {f"{kind}_{part}.npy" for kind in kinds for part in frames.PARTS}
    digests = [*card.archive.values(), card.digest, card.mirror.sha256 if card.mirror else ""]
    assert all(not digest or len(bytes.fromhex(digest)) == 32 for digest in digests)
    path = tmp_path / "copy.toml"
    path.write_text(cards.text(card), "utf-8")
    assert cards.read(path) == card


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('task = "binclass"', 'task = "ranking"', "task must be one of binclass, multiclass, regression"),
        ('licence = "CC0-1.0"\n', "", "missing field"),
        ("licence", "license", "did you mean 'licence'"),
        ('target = "kind"', 'target = "width"', "named more than once: width"),
        ("train = 6", 'train = "six"', "train must be int, found 'six'"),
        ("authors_split = false", "authors_split = 0", "authors_split must be bool"),
        ('source = "made here"', "source = made here", "toy.toml"),
    ],
)
def test_a_broken_card_is_refused(old: str, new: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "toy.toml"
    text = cards.text(toy())
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(DataError, match=message):
        cards.read(path)


def test_an_unknown_name_gets_the_close_ones() -> None:
    with pytest.raises(DataError, match="no data set 'abalon': did you mean 'abalone'"):
        sources.load("abalon")


def test_cards_can_live_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(cards.CARDS_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(DataError, match="TABSTEP_CARDS"):
        cards.names()
    (tmp_path / "toy.toml").write_text(cards.text(toy()), "utf-8")
    monkeypatch.setenv(cards.CARDS_VARIABLE, str(tmp_path))
    assert cards.find("toy") == toy()


# --- embedded tables


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_tables_are_canonical(name: str) -> None:
    dataset = sources.load(name)
    schema = dataset.schema
    for frame in (dataset.train, dataset.val, dataset.test):
        assert tuple(frame.columns) == schema.columns
        assert frame.index.equals(pd.RangeIndex(len(frame)))
        assert {str(frame[c].dtype) for c in schema.numbers} <= {"float64", "int64"}
        assert {type(v) for c in schema.labels for v in frame[c]} <= {str, type(None)}
        assert frame[schema.target].notna().all()
    assert "rownames" not in schema.columns
    assert dataset.digest == sources.load(name).digest == cards.find(name).digest
    for column in schema.integer:
        assert (dataset.train[column].dropna() % 1 == 0).all()
    for column in set(schema.numbers) - schema.integer:
        assert (dataset.train[column].dropna() % 1 != 0).any()
    if not schema.is_regression:
        shares = [part[schema.target].value_counts(normalize=True) for part in (dataset.train, dataset.test)]
        assert (shares[0] - shares[1]).abs().max() < 0.02


def test_missing_values_are_kept() -> None:
    dataset = sources.load("credit")
    whole = pd.concat([dataset.train, dataset.val, dataset.test])
    # the counts that the documentation of the table gives
    assert whole["Income"].isna().sum() == 381
    assert sum(value is None for value in whole["Home"]) == 6
    assert whole.isna().sum().sum() == 455
    assert "Income" in dataset.schema.integer


def test_the_two_diamond_sets_share_their_rows() -> None:
    cut, price = (sources.load(name) for name in ("diamonds-cut", "diamonds-price"))
    both = []
    for dataset in (cut, price):
        whole = pd.concat([dataset.train, dataset.val, dataset.test])
        columns = sorted(whole.columns)
        both.append(whole[columns].sort_values(columns).reset_index(drop=True))
    pd.testing.assert_frame_equal(*both)
    assert len(both[0]) == 8000


@pytest.mark.parametrize("what", ["content", "split", "digest", "rows", "task", "column"])
def test_an_embedded_table_that_differs_from_its_card_is_refused(what: str) -> None:
    card = cards.find("wine")
    assert card.embedded is not None
    wrong = "0" * 64
    changed, message = {
        "content": (
            replace(card, embedded=replace(card.embedded, content=wrong)),
            f"content: expected {wrong}",
        ),
        "split": (replace(card, embedded=replace(card.embedded, split=wrong)), f"split: expected {wrong}"),
        "digest": (replace(card, digest=wrong), f"digest: expected {wrong}"),
        "rows": (replace(card, rows=Rows(113, 29, 37)), "rows: expected 113/29/37, found 113/29/36"),
        "task": (replace(card, task="binclass"), "content: expected"),
        "column": (replace(card, numeric=("proof", *card.numeric[1:])), "expected the column 'proof', found"),
    }[what]
    with pytest.raises(DataError, match=message):
        sources.load_card(changed)


# --- the digest and the split


SCHEMA = Schema("binclass", "y", ("a",), ("b",))
FRAME = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": ["x", None, "x"], "y": ["0", "1", "0"]})


def digest_of(frame: pd.DataFrame, schema: Schema = SCHEMA, part: str = "train") -> str:
    return frames.digest(schema, {part: frames.canonical(frame, schema)})


def test_equal_content_has_one_digest() -> None:
    other = FRAME[["y", "b", "a"]].set_index(pd.Index([7, 8, 9]))  # order of columns and index do not count
    other = other.assign(b=other["b"].astype("category"), a=other["a"].astype("float32"), y=[0, 1, 0])
    assert digest_of(other) == digest_of(FRAME)
    other_nan = FRAME["a"].to_numpy(copy=True)
    other_nan.view("u8")[1] ^= 1  # a NaN of other bytes
    assert np.isnan(other_nan[1])
    assert digest_of(FRAME.assign(a=other_nan)) == digest_of(FRAME)


@pytest.mark.parametrize(
    "other",
    [
        FRAME.assign(a=[1.0, np.nan, 3.5]),
        FRAME.assign(a=[1.0, 2.0, 3.0]),
        FRAME.assign(b=["x", "x", None]),
        FRAME.assign(b=["x", "y", "x"]),
        FRAME.assign(b=["x", "None", "x"]),
        FRAME.iloc[::-1],
        FRAME.iloc[:2],
    ],
)
def test_other_content_has_another_digest(other: pd.DataFrame) -> None:
    assert digest_of(other) != digest_of(FRAME)


def test_roles_names_and_parts_count_in_the_digest() -> None:
    text = FRAME.assign(a=["1", None, "3"])
    digests = {
        digest_of(FRAME),
        digest_of(FRAME, part="val"),
        digest_of(FRAME, replace(SCHEMA, task="multiclass")),
        digest_of(FRAME.rename(columns={"a": "c"}), replace(SCHEMA, numeric=("c",))),
        digest_of(text, replace(SCHEMA, numeric=(), categorical=("a", "b"))),
    }
    assert len(digests) == 5
    split = {part: FRAME.iloc[[place]] for place, part in enumerate(frames.PARTS)}
    moved = {"train": FRAME.iloc[:2], "val": FRAME.iloc[:0], "test": FRAME.iloc[2:]}
    assert frames.digest(SCHEMA, split) != frames.digest(SCHEMA, moved)


def test_the_split_covers_every_row_once() -> None:
    target = np.array(["a"] * 70 + ["b"] * 30, dtype=object)
    found = frames.split(100, target)
    assert [len(found[part]) for part in frames.PARTS] == [64, 16, 20]
    assert sorted(np.concatenate([*found.values()])) == list(range(100))
    assert (target[found["test"]] == "b").sum() == 6  # 30 %
    again = frames.split(100, target)
    assert frames.split_digest(found) == frames.split_digest(again)
    again["val"] = again["val"][::-1]
    assert frames.split_digest(found) != frames.split_digest(again)


def test_labels_read_alike_from_every_type() -> None:
    expected = ["1", None, "0"]
    for column in ([1.0, np.nan, 0.0], ["1", None, "0"], pd.array([1, None, 0], dtype="Int64")):
        assert frames.labels(pd.Series(column)).tolist() == expected
    assert frames.labels(pd.Series([True, False])).tolist() == ["True", "False"]
    assert frames.labels(pd.Series([0.5, 2.0])).tolist() == ["0.5", "2"]


# --- mirror


def test_a_mirror_file_becomes_a_canonical_set(tmp_path: Path) -> None:
    dataset = from_mirror(tmp_path, rows())
    assert dataset.schema.columns == ("width", "count", "colour", "kind")
    assert dataset.schema.integer == {"count"}
    assert dataset.train["width"].dtype == np.float64
    assert dataset.train["width"].tolist() == rows()["width"].astype(float).tolist()[:6]
    assert dataset.train["colour"].tolist() == ["red", None, "blue"] * 2
    assert dataset.val["kind"].tolist() == ["0", "1"]
    assert [len(part) for part in (dataset.train, dataset.val, dataset.test)] == [6, 2, 4]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            rows().drop(columns="count"),
            r"columns: expected \['width', 'count', 'colour', 'target', 'split'\]",
        ),
        (rows()[["count", "width", "colour", "target", "split"]], "columns: expected"),
        (rows().iloc[:-1], "rows: expected 6/2/4, found 6/2/3"),
        (
            rows().assign(split="train"),
            r"values of split: expected \['test', 'train', 'val'\], found \['train'\]",
        ),
        (rows().assign(width="wide"), "column 'width': expected numbers, found object"),
        (rows().assign(width=np.inf), "column 'width': 12 infinite values"),
        (rows().assign(target=range(12)), "expected a binclass target, found 6 classes"),
    ],
)
def test_a_mirror_file_of_the_wrong_shape_is_refused(
    frame: pd.DataFrame, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        from_mirror(tmp_path, frame)


def test_a_mirror_file_of_other_bytes_is_refused_even_where_an_archive_could_serve(tmp_path: Path) -> None:
    card = replace(toy(b"the true bytes", members()))
    rows().to_parquet(tmp_path / "toy.parquet", index=False)
    archive = write_tar(tmp_path / "data.tar", members())
    with pytest.raises(DataError, match=rf"toy.parquet: sha256: expected {sha256(b'the true bytes')}, found"):
        sources.load_card(card, mirror=tmp_path, archive=archive)


def test_what_no_source_has_is_unreachable_with_every_reason(tmp_path: Path) -> None:
    card = toy(b"x", members())
    with pytest.raises(Unreachable, match=r"TABSTEP_DATA.*TABSTEP_ARCHIVE"):
        sources.load_card(card)
    with pytest.raises(Unreachable, match=r"no file .*toy.parquet; no archive at .*none.tar"):
        sources.load_card(card, mirror=tmp_path, archive=tmp_path / "none.tar")
    partial = replace(card, mirror=Mirror("", absent=("train",)))
    with pytest.raises(Unreachable, match="the mirror has no train rows of toy"):
        sources.load_card(partial, mirror=tmp_path)


def test_validation_rows_are_taken_out_of_the_training_rows_where_a_paper_has_none(tmp_path: Path) -> None:
    frame = rows()
    frame["split"] = ["train"] * 8 + ["test"] * 4
    path = tmp_path / "toy.parquet"
    frame.to_parquet(path, index=False)
    card = replace(toy(), mirror=Mirror(sha256(path.read_bytes()), carved=True))
    dataset = sources.load_card(card, mirror=tmp_path)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (6, 2, 4)
    assert dataset.val["kind"].nunique() == 2  # stratified
    together = pd.concat([dataset.train, dataset.val]).sort_values("count", ignore_index=True)
    assert together["count"].tolist() == list(range(8))
    assert dataset.train["count"].is_monotonic_increasing  # in the order of the file
    assert dataset.test["count"].tolist() == [8, 9, 10, 11]
    with pytest.raises(DataError, match="9 of 8 training rows cannot be set aside"):
        sources.load_card(replace(card, rows=Rows(6, 9, 4)), mirror=tmp_path)
    with pytest.raises(DataError, match="values of split"):
        sources.load_card(replace(card, mirror=replace(card.mirror, carved=False)), mirror=tmp_path)  # type: ignore[type-var]


# --- archive


def test_mirror_and_archive_give_one_digest(tmp_path: Path) -> None:
    mirrored, archived = from_mirror(tmp_path, rows()), from_archive(tmp_path, members())
    assert mirrored.digest == archived.digest
    assert mirrored.schema == archived.schema
    pd.testing.assert_frame_equal(mirrored.test, archived.test)
    assert (mirrored.source, archived.source) == ("mirror (toy.parquet)", "archive (data.tar)")
    other = {**members(), "data/toy/X_cat_val.npy": npy(np.array([["blue"], ["blue"]]))}
    assert from_archive(tmp_path, other).digest != archived.digest


def test_the_archive_serves_what_the_mirror_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = write_tar(tmp_path / "data.tar", members())
    monkeypatch.setenv(sources.MIRROR_VARIABLE, str(tmp_path))
    monkeypatch.setenv(sources.ARCHIVE_VARIABLE, str(archive))
    assert sources.load_card(toy(b"x", members())).source == "archive (data.tar)"


def test_a_changed_array_is_refused(tmp_path: Path) -> None:
    name = "data/toy/X_num_train.npy"
    changed = bytearray(members()[name])
    changed[-1] ^= 1
    archive = write_tar(tmp_path / "data.tar", {**members(), name: bytes(changed)})
    with pytest.raises(DataError, match=rf"{name}: sha256: expected {sha256(members()[name])}, found"):
        sources.load_card(toy(archive=members()), archive=archive)


@pytest.mark.parametrize(
    ("kind", "array", "message"),
    [
        ("X_num", np.zeros((5, 2)), r"shape: expected \(6, 2\), found \(5, 2\)"),
        ("X_num", np.zeros((6, 3)), r"shape: expected \(6, 2\), found \(6, 3\)"),
        ("X_cat", np.zeros((6, 1)), "expected fixed-width strings, found float64"),
        ("y", np.array(3), "shape: expected"),
    ],
)
def test_an_array_of_the_wrong_shape_is_refused(
    kind: str, array: np.ndarray, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        from_archive(tmp_path, {**members(), f"data/toy/{kind}_train.npy": npy(array)})


def test_an_array_without_a_known_digest_is_not_read(tmp_path: Path) -> None:
    card = toy(archive={name: content for name, content in members().items() if "X_cat" not in name})
    with pytest.raises(Unreachable, match=r"no sha256 of data/toy/X_cat_train.npy is known"):
        sources.load_card(card, archive=write_tar(tmp_path / "data.tar", members()))


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.mark,)


def test_pickled_arrays_are_never_read(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (6, 1)})
    trap = stream.getvalue() + pickle.dumps(Trap(mark))
    for content in (trap, pickle.dumps(Trap(mark))):
        with pytest.raises(Unreachable, match=r"X_cat_train.npy is a pickled array .* not read"):
            from_archive(tmp_path, {**members(), "data/toy/X_cat_train.npy": content})
        assert not mark.exists()
    pickle.loads(pickle.dumps(Trap(mark)))  # the trap works
    assert mark.exists()


def test_members_are_read_by_exact_name_and_only_if_plain_files(tmp_path: Path) -> None:
    name = "data/toy/y_val.npy"
    content = members()
    moved = {("./" if key == name else "") + key: value for key, value in content.items()}
    with pytest.raises(Unreachable, match=f"no member {name}"):
        sources.load_card(toy(archive=content), archive=write_tar(tmp_path / "moved.tar", moved))
    linked = write_tar(
        tmp_path / "linked.tar", {**{k: v for k, v in content.items() if k != name}, "real": content[name]}
    )
    with tarfile.open(linked, "a") as tar:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, "../../real"
        tar.addfile(entry)
    with pytest.raises(DataError, match="expected a plain file"):
        sources.load_card(toy(archive=content), archive=linked)


def test_a_page_instead_of_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.tar"
    path.write_text("<html>not found</html>" * 100)
    with pytest.raises(DataError, match="expected a plain tar archive"):
        sources.load_card(toy(archive=members()), archive=path)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A web server on this machine that has the toy archive."""
    folder = tmp_path / "served"
    folder.mkdir()
    write_tar(folder / "data.tar", members())
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_address_is_fetched_once(served: str, tmp_path: Path) -> None:
    card = toy(archive=members())
    first = sources.load_card(card, archive=f"{served}/data.tar")
    (tmp_path / "served" / "data.tar").unlink()
    assert sources.load_card(card, archive=f"{served}/data.tar").digest == first.digest
    with pytest.raises(Unreachable, match=r"other\.tar cannot be fetched"):
        sources.load_card(card, archive=f"{served}/other.tar")


# --- check


def test_check_reports_and_never_stops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wine = cards.find("wine")
    changed = replace(wine, name="changed", digest="0" * 64)
    monkeypatch.setenv(cards.CARDS_VARIABLE, str(tmp_path))
    for card in (wine, changed, toy(b"x")):
        (tmp_path / f"{card.name}.toml").write_text(cards.text(card), "utf-8")
    (tmp_path / "broken.toml").write_text("name = ")
    found = {line.dataset: line for line in sources.check()}
    assert list(found) == ["broken", "changed", "toy", "wine"]
    assert found["broken"].status.startswith("MISMATCH: broken.toml: ")
    assert found["changed"].status.startswith("MISMATCH: changed: digest: expected 000")
    assert found["toy"].status.startswith("unreachable: no mirror folder is set")
    assert (found["wine"].status, found["wine"].rows, found["wine"].numeric) == ("ok", "113/29/36", 13)
    assert sources.check(["nothing"])[0].status.startswith("MISMATCH: no data set 'nothing'")


# --- the real mirror, where there is one

needs_mirror = pytest.mark.skipif(not REAL, reason="TABSTEP_DATA names no mirror folder")
ABSENT = ("fb-comments", "higgs-small", "miniboone")


@needs_mirror
@pytest.mark.parametrize("name", [*(name for name in PAPER if name not in ABSENT), *TABSYN])
def test_the_real_mirror_is_what_the_cards_say(name: str) -> None:
    card, dataset = cards.find(name), sources.load(name, mirror=Path(str(REAL)))
    assert dataset.digest == card.digest
    assert dataset.source.startswith("mirror")
    assert dataset.schema.target in dataset.train


@needs_mirror
@pytest.mark.parametrize("name", ABSENT)
def test_the_real_mirror_lacks_what_only_the_archive_has(name: str) -> None:
    with pytest.raises(Unreachable, match=r"only (in )?the authors' archive"):
        sources.load(name, mirror=Path(str(REAL)))


@needs_mirror
@pytest.mark.parametrize("name", ["abalone", "california", "wilt"])
def test_the_real_mirror_holds_the_authors_arrays(name: str) -> None:
    """The numbers and targets of the mirror, written as npy, have the digests of the authors' files."""
    card = cards.find(name)
    frame = pd.read_parquet(Path(str(REAL)) / f"{name}.parquet")
    for part in frames.PARTS:
        mine = frame[frame["split"] == part]
        assert sha256(npy(mine["target"].to_numpy())) == card.archive[f"y_{part}.npy"]
        values = mine[list(card.numeric)].to_numpy()
        orders = {sha256(npy(np.asarray(values, order=order))) for order in ("C", "F")}
        assert card.archive[f"X_num_{part}.npy"] in orders
