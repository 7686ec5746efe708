"""Results from elsewhere: rows of files are scored like our own, bundles are taken whole or refused."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import random
import stat
import string
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tabstep.data.cards import DataError
from tabstep.data.sources import load
from tabstep.engine import run
from tabstep.engine.filters import Filters, narrow, suite_named
from tabstep.engine.folder import Folder
from tabstep.engine.job import Source
from tabstep.engine.plan import plan
from tabstep.records import store
from tabstep.sharing import scoring, submission
from tabstep.sharing.submission import MANIFEST, Rejected
from tests.conftest import Kept

pytestmark = pytest.mark.whole

NAME = "mlc-churn"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, worker: Kept) -> Folder:
    """Records and rows of two quick cells."""
    folder = Folder(tmp_path_factory.mktemp("ran") / "smoke")
    todo = plan(narrow(suite_named("smoke"), Filters(methods=("marginals", "smote"))), [Source(NAME)])
    assert {o.status for o in run.execute(todo, folder, executor=worker).outcomes} == {"ok"}
    return folder


@pytest.fixture(scope="module")
def bundle(ran: Folder) -> bytes:
    records, _ = store.read_all(ran.runs)
    path = ran.root / "mine.zip"
    assert submission.pack(ran, records, "mine", "two cells", path) == 4
    return path.read_bytes()


# Rows of a file


def test_rows_of_a_file_get_the_scores_that_they_got_when_drawn(
    ran: Folder, worker: Kept, tmp_path: Path
) -> None:
    record = next(r for r in store.read_all(ran.runs)[0] if r.cell.method == "smote")
    for suffix in ("parquet", "csv"):
        rows = pd.read_parquet(ran.rows(record.cell))
        path = tmp_path / f"rows.{suffix}"
        shuffled = rows[rows.columns[::-1]]
        shuffled.to_parquet(path) if suffix == "parquet" else shuffled.to_csv(path, index=False)
        folder = Folder(tmp_path / suffix)
        todo = scoring.prepare(path, "theirs", Source(NAME), folder, evaluator="fast", eval_seeds=1)
        (outcome,) = run.execute(todo, folder, stages=("score",), executor=worker).outcomes
        assert outcome.status == "ok", outcome.reason
        found = store.read(folder.runs / todo.jobs[0].cell.path)
        assert found.scores == {k: record.scores[k] for k in found.scores}, (
            "the order of columns does not matter"
        )
        assert found.settings["method"] == {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        assert (found.fit_s, found.rows) == (None, len(rows))


def _spoiled(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    label, number = rows.columns[-1], rows.select_dtypes("number").columns[0]
    changes: dict[str, Callable[[], pd.DataFrame]] = {
        "column": lambda: rows.drop(columns=number),
        "more": lambda: rows.assign(Unnamed=1),
        "gap": lambda: rows.assign(**{number: rows[number].astype(float).where(rows.index > 3)}),
        "label": lambda: rows.assign(**{label: "perhaps"}),
        "text": lambda: rows.assign(**{number: "many"}),
    }
    return changes[name]()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("column", "expected the column"),
        ("more", "has no column 'Unnamed'; remove it"),
        ("gap", "is missing in 4 rows"),
        ("label", "labels that the training rows lack: 'perhaps'"),
        ("text", "expected numbers"),
    ],
)
def test_rows_that_are_not_of_the_table_are_refused(fault: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    dataset = load(NAME)
    _spoiled(fault, dataset.train.head(50)).to_parquet(path)
    with pytest.raises(DataError, match=says):
        scoring.read(path, dataset)


def test_rows_of_one_class_are_taken_as_everywhere_else(tmp_path: Path) -> None:
    """A collapse counts as one; one protocol for the command and for a suite."""
    dataset = load(NAME)
    target = dataset.schema.target
    path = tmp_path / "rows.parquet"
    collapsed = dataset.train.head(50).assign(**{target: dataset.train[target].iloc[0]})
    collapsed.to_parquet(path)
    assert set(scoring.read(path, dataset)[target]) == {dataset.train[target].iloc[0]}
    collapsed.head(1).to_parquet(path)
    assert len(scoring.read(path, dataset)) == 1


def test_fewer_rows_than_test_rows_are_said(ran: Folder) -> None:
    dataset = load(NAME)
    record = store.read_all(ran.runs)[0][0]
    tested = len(dataset.test)
    assert scoring.few(replace(record, rows=tested), dataset) is None
    said = scoring.few(replace(record, rows=12), dataset)
    assert said is not None
    assert said.startswith(f"12 rows beside {tested} test rows")


# Bundles


def test_a_bundle_comes_back_as_it_was(bundle: bytes, ran: Folder, tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    path.write_bytes(bundle)
    found = submission.accept(path, tmp_path / "submissions")
    assert found.name == "mine"
    taken = submission.accepted(tmp_path / "submissions")
    assert list(taken) == ["mine"]
    manifest, records = taken["mine"]
    assert records == store.read_all(ran.runs)[0]
    assert manifest["about"] == "two cells"
    with pytest.raises(Rejected, match="there is a submission 'mine' already"):
        submission.accept(path, tmp_path / "submissions")


def unzipped(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(files: Files, change: Callable[[zipfile.ZipFile], None] | None = None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
        if change:
            change(file)
    return buffer.getvalue()


def signed(files: Files) -> Files:
    """With digests that fit, as an attacker would write them."""
    manifest = json.loads(files[MANIFEST])
    rest = {name: content for name, content in files.items() if name != MANIFEST}
    manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in rest.items()}
    return {MANIFEST: json.dumps(manifest).encode(), **rest}


def edited(content: bytes, change: Callable[[dict[str, Any]], Any], name: str | None = None) -> bytes:
    """The bundle with one JSON file changed, a record if not named, and honest digests."""
    files = unzipped(content)
    chosen = name or next(n for n in sorted(files) if n.startswith("records/"))
    value = json.loads(files[chosen])
    change(value)
    files[chosen] = json.dumps(value).encode()
    return zipped(signed(files))


def _score(value: Any, name: str = "catboost_f1_macro") -> Callable[[dict[str, Any]], Any]:
    return lambda record: record["scores"].update({name: [value]})


def _cell(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda record: record["cell"].update(values)


def _add(name: str, content: bytes = b"{}", mode: int | None = None) -> Callable[[zipfile.ZipFile], None]:
    def add(file: zipfile.ZipFile) -> None:
        entry = zipfile.ZipInfo(name)
        if mode is not None:
            entry.external_attr = mode << 16
        file.writestr(entry, content)

    return add


def _with(content: bytes, name: str, text: bytes) -> bytes:
    return zipped(signed(unzipped(content) | {name: text}))


RECORD = "records/mlc-churn/marginals-default/t0-d0.json"
ROWS = "rows/mlc-churn/marginals-default/t0-d0.csv"
OTHER = "records/mlc-churn/other-default/t0-d0.json"

TAMPERED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a score without its digest": (
        lambda b: zipped(unzipped(b) | {RECORD: unzipped(b)[RECORD].replace(b'"ok"', b'"ok" ')}),
        "its digest is not the one",
    ),
    "a score above its range": (
        lambda b: edited(b, _score(1.7)),
        "catboost_f1_macro is 1.7, which must lie in 0 .. 1",
    ),
    "a score that is no number": (lambda b: edited(b, _score(float("nan"))), "NaN is not a JSON value"),
    "a number that no float holds": (
        lambda b: edited(b, lambda r: r.update(fit_s=10**400)),
        "a number beyond 64 bits",
    ),
    "an infinite cost": (lambda b: edited(b, lambda r: r.update(fit_s=1e300)), "out of every range"),
    "an unknown score": (lambda b: edited(b, _score(0.5, "my_own_score")), "unknown score 'my_own_score'"),
    "other data": (lambda b: edited(b, lambda r: r.update(dataset_digest="0" * 64)), "scored on other data"),
    "an unknown dataset": (lambda b: edited(b, _cell(dataset="nowhere")), "holds the record of another cell"),
    "a path that leaves the folder": (lambda b: edited(b, _cell(dataset="../../etc")), "must be letters"),
    "a member that leaves the folder": (
        lambda b: zipped(unzipped(b), _add("../../evil.json")),
        "not a name that a bundle has",
    ),
    "an absolute member": (
        lambda b: zipped(unzipped(b), _add("/etc/passwd")),
        "not a name that a bundle has",
    ),
    "a member with backslashes": (
        lambda b: zipped(unzipped(b), _add("records\\..\\..\\x.json")),
        "not a name that a bundle has",
    ),
    "a pickle": (lambda b: zipped(unzipped(b), _add("rows/a/b/c.pkl")), "not a name that a bundle has"),
    "a link": (
        lambda b: zipped(unzipped(b), _add(OTHER, b"/etc/passwd", stat.S_IFLNK | 0o777)),
        "not a plain file",
    ),
    "a zip bomb": (lambda b: zipped(unzipped(b), _add(OTHER, b"0" * (8 * 2**20))), "too large when unpacked"),
    "a file that is not listed": (lambda b: zipped(unzipped(b) | {OTHER: b"{}"}), "not in both"),
    "a file that is gone": (
        lambda b: zipped({n: c for n, c in unzipped(b).items() if n != ROWS}),
        "not in both",
    ),
    "no manifest": (lambda b: zipped({n: c for n, c in unzipped(b).items() if n != MANIFEST}), "is missing"),
    "markup in a reason": (
        lambda b: edited(
            b, lambda r: r.update(status="failed", scores={}, eval_seeds=[], reason="<script>x</script>")
        ),
        "markup in a text",
    ),
    "markup in a name": (
        lambda b: edited(b, lambda m: m.update(about="<img src=x>"), MANIFEST),
        "markup in a text",
    ),
    "a formula in a text": (lambda b: edited(b, lambda m: m.update(about="=1+1"), MANIFEST), "for a formula"),
    "a formula in the settings": (
        lambda b: edited(b, lambda r: r["settings"].update(x="@SUM(A1)")),
        "for a formula",
    ),
    "a formula in the rows": (
        lambda b: _with(
            b, ROWS, unzipped(b)[ROWS].split(b"\n")[0] + b"\n" + b",".join([b"=cmd|x"] * 19) + b"\n"
        ),
        "formula|not 20",
    ),
    "text that turns round": (
        lambda b: edited(b, lambda m: m.update(about="a\u202eb"), MANIFEST),
        "control character",
    ),
    "a name with a slash": (
        lambda b: edited(b, lambda m: m.update(name="../x"), MANIFEST),
        "name must be small",
    ),
    "the future": (lambda b: edited(b, lambda r: r.update(created="2999-01-01T00:00:00+00:00")), "cannot be"),
    "nesting without end": (
        lambda b: _with(b, RECORD, b'{"a":' * 5000 + b"1" + b"}" * 5000),
        "nested|RecursionError",
    ),
    "a key twice": (lambda b: _with(b, RECORD, b'{"cell": 1, "cell": 2}'), "a key is there twice"),
    "not JSON": (lambda b: _with(b, RECORD, b"\xff\xfe"), "not JSON"),
    "rows of no cell": (
        lambda b: _with(b, ROWS.replace("marginals", "ghost"), b"a,b\n1,2\n"),
        "rows of no cell",
    ),
    "not a zip": (lambda b: b"hello", "not a readable zip"),
    "half a zip": (lambda b: b[: len(b) // 2], "not a readable zip"),
    "steps without evaluations": (
        lambda b: edited(b, lambda r: (r["cell"].update(sampler="ddim", steps=5), r.update(nfe=0))),
        "another cell|without a network",
    ),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_was_tampered_with_is_refused_and_leaves_nothing(
    how: str, bundle: bytes, tmp_path: Path
) -> None:
    change, says = TAMPERED[how]
    path = tmp_path / "bundle.zip"
    path.write_bytes(change(bundle))
    with pytest.raises(Rejected, match=says):
        submission.accept(path, tmp_path / "submissions")
    assert [p for p in tmp_path.rglob("*") if p != path] == []


def test_the_helpers_of_these_tests_do_no_harm(bundle: bytes) -> None:
    assert len(submission.read(zipped(signed(unzipped(bundle)))).records) == 2
    assert len(submission.read(edited(bundle, lambda r: None)).records) == 2


def test_random_damage_is_refused_or_harmless(bundle: bytes, tmp_path: Path) -> None:
    rng = random.Random(0)
    refused = 0
    for _ in range(300):
        content = bytearray(bundle)
        for _ in range(rng.randint(1, 8)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        try:
            found = submission.read(bytes(content))
        except Rejected:
            refused += 1
        else:
            assert found.records == submission.read(bundle).records, (
                "damage that was not seen changed nothing"
            )
    assert refused > 150


def test_random_json_is_taken_or_refused_but_never_crashes(bundle: bytes) -> None:
    rng = random.Random(1)

    def value(depth: int) -> Any:
        kind = rng.randrange(7 if depth < 4 else 5)
        if kind == 5:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        if kind == 6:
            return {key(): value(depth + 1) for _ in range(rng.randrange(4))}
        return [None, True, rng.choice([3, -9, 10**400]), rng.random() * 10 ** rng.randrange(-9, 30), key()][
            kind
        ]

    def key() -> str:
        return "".join(rng.choice(string.printable) for _ in range(rng.randrange(6)))

    base = json.loads(unzipped(bundle)[RECORD])
    for _ in range(200):
        broken = json.loads(json.dumps(base))
        field = rng.choice(sorted(broken))
        broken[field] = value(0)
        with contextlib.suppress(Rejected):  # anything else is a crash
            submission.read(_with(bundle, RECORD, json.dumps(broken).encode()))


def test_what_would_be_refused_is_not_packed(ran: Folder, tmp_path: Path) -> None:
    records, _ = store.read_all(ran.runs)
    with pytest.raises(Rejected, match="name must be small letters"):
        submission.pack(ran, records, "My Method", "", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()
