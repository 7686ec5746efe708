"""Models, tuned settings and journals that anyone may have changed: refused in a line, or as good as whole."""

from __future__ import annotations

import base64
import json
import os
import pickle
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
import torch

import tabstep
from tabstep.contracts import Unsupported
from tabstep.data import artifact, settings
from tabstep.data.cards import DataError
from tabstep.data.table import Dataset
from tabstep.diffusion.model import FILE, Diffusion
from tabstep.diffusion.tabddpm import TabDDPM
from tabstep.engine import models, tuned
from tabstep.engine.filters import Refused
from tabstep.engine.job import Source
from tabstep.engine.plan import plan
from tabstep.metrics.catboost_trees import CatBoostParams
from tabstep.tuning import studies
from tests.test_doors import HOSTILE, spoiled, spoiled_texts
from tests.test_run import TINY, small_table

COUNT = int(
    os.environ.get("TABSTEP_FUZZ", "36")
)  # inputs a door, about; docs/security.md says what many found


def outcomes(door: Callable[[], Any], errors: tuple[type[Exception], ...], kept: list[str]) -> None:
    """Go through a door once; note the line of a refusal. Any other error fails the test."""
    with suppress(*errors):
        try:
            door()
        except Exception as error:
            kept.append(str(error))
            raise
    assert not kept or "\n" not in kept[-1].strip()
    "".join(kept[-1:]).encode()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of columns of many kinds, with gaps."""
    rng = np.random.default_rng(0)
    n = 60
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "paid": rng.integers(0, 900, n) / 100,
            "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 99, n), unit="D"),
            "text": [f"${v}.50" for v in range(n)],
            "c": pd.Series(rng.choice(["a", "b", "é"], n)).mask(rng.random(n) < 0.2),
            "flag": rng.random(n) < 0.5,
            "same": 3,
            "big": rng.integers(2**60, 2**62, n),
        }
    )
    frame.loc[:5, "x"] = np.nan
    folder = tmp_path_factory.mktemp("model")
    small = TabDDPM(T=6, steps=2, layers=(8,))
    tabstep.fit(frame, "flag", method=small, progress="none").save(folder)
    return folder


@pytest.mark.whole
def test_models(saved: Path, tmp_path: Path) -> None:
    """The digest is right: whoever changes a model can make it so."""
    text, tensors = artifact.read(saved / FILE)
    rng, said = random.Random(0), list[str]()
    for _ in range(2 * COUNT):
        artifact.write(tmp_path / FILE, spoiled(json.loads(json.dumps(text)), rng), tensors)
        outcomes(lambda: tabstep.load(tmp_path).sample(3, steps=2), (ValueError, Unsupported), said)
    for name in tensors:
        value = tensors[name]
        for other in (
            None,
            value[:-1],
            value.double() * float("nan"),
            value.to(torch.int8),
            torch.zeros(3, 1, 2),
        ):
            changed = (
                tensors | {name: other}
                if other is not None
                else {k: v for k, v in tensors.items() if k != name}
            )
            artifact.write(tmp_path / FILE, text, changed)
            outcomes(lambda: tabstep.load(tmp_path).sample(3, steps=2), (ValueError, Unsupported), said)
    assert len(said) > COUNT
    assert sum(FILE in line for line in said) > COUNT


def test_a_model_is_read_once(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading holds all tensors against a digest: of a large model that is most of the time that loading takes."""
    read, times = artifact.read, list[Path]()
    monkeypatch.setattr(artifact, "read", lambda path: times.append(path) or read(path))
    tabstep.load(saved)
    assert times == [saved / FILE]


@pytest.mark.parametrize("layers", [[10**9], [10**5] * 50, [0], [-1]])
def test_a_model_that_asks_for_much_is_refused_before_it_gets_it(
    layers: list[int], saved: Path, tmp_path: Path
) -> None:
    text, tensors = artifact.read(saved / FILE)
    text["architecture"]["layers"] = layers
    artifact.write(tmp_path / FILE, text, tensors)
    with pytest.raises(artifact.Damaged, match="does not go together"):
        Diffusion.load(tmp_path)


def test_a_pipe_in_the_place_of_a_model_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    with pytest.raises(ValueError, match="no plain file"):
        tabstep.load(tmp_path)


def test_what_is_written_beside_a_model(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"x")
    facts = {"digests": {FILE: models._digest(tmp_path / FILE)}, "env": {}, "created": "now", "fit_s": 1.0}
    text = json.dumps(facts).encode()
    (tmp_path / "fit.json").write_bytes(text)
    assert models.sound(tmp_path)
    for content in spoiled_texts(text, COUNT):
        (tmp_path / "fit.json").write_bytes(content)
        models.sound(tmp_path)
        outcomes(
            lambda: models.fitted_diffusion(tmp_path, Source("none"), "cpu"),
            (ValueError, OSError, LookupError),
            [],
        )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Dataset]:
    source = Source("small", file=small_table(tmp_path_factory.mktemp("table") / "small.csv"), target="label")
    return source, source.load()


def test_tuned_files(table: tuple[Source, Dataset], tmp_path: Path) -> None:
    source, dataset = table
    base = replace(plan(TINY, [source]).jobs[-1], settings={})
    folder = tmp_path / "small"
    folder.mkdir()
    whole = {
        "catboost": {"digest": dataset.digest, "params": {"depth": 4, "learning_rate": 0.1}},
        "xgboost": {"digest": dataset.digest, "params": {"max_depth": 4}},
        "tabddpm": {
            "digest": dataset.digest,
            "settings": {"T": 10, "layers": [8], "lr": 0.1},
            "log2_rows": 0.5,
        },
        "tabddpm-default-sampler-5": {
            "fit_key": "",
            "settings": {"update": "ddim", "settings": {"eta": 0.5}, "grid": "quad", "temperature": 1.2},
        },
    }
    base = replace(base, cell=replace(base.cell, params="default"))
    whole["tabddpm-default-sampler-5"]["fit_key"] = tuned.fit_key_of(base)
    doors: dict[str, Callable[[], Any]] = {
        "catboost": lambda: tuned.evaluator("tuned", dataset, tmp_path),
        "xgboost": lambda: tuned.beside("xgboost", "tuned", dataset, tmp_path),
        "tabddpm": lambda: tuned.settings(base, "tabddpm", tmp_path),
        "tabddpm-default-sampler-5": lambda: tuned.with_sampler(base, 5, tmp_path).sampler,
    }
    for name, door in doors.items():
        text = json.dumps(whole[name]).encode()
        (folder / f"{name}.json").write_bytes(text)
        door()
        said: list[str] = []
        for content in spoiled_texts(text, COUNT):
            (folder / f"{name}.json").write_bytes(content)
            outcomes(door, (DataError, Refused, Unsupported), said)
        assert len(said) > COUNT, name
        assert all(f"{name}.json" in line for line in said)


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        (TabDDPM, {"steps": "5"}, "steps of TabDDPM must be int, got '5'"),
        (TabDDPM, {"layers": [8, "8"]}, "layers of TabDDPM must be"),
        (TabDDPM, {"T": True}, "T of TabDDPM must be int"),
        (TabDDPM, {"weights": "best"}, "weights of TabDDPM must be Literal"),
        (CatBoostParams, {"depth": 2.5}, "depth of CatBoostParams must be int"),
        (CatBoostParams, {"rsm": 1}, "CatBoostParams has no setting rsm; it has: learning_rate"),
    ],
)
def test_settings_of_another_type_are_refused(kind: type[Any], values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        settings.built(kind, values)


def test_settings_are_as_they_were_written() -> None:
    assert settings.built(TabDDPM, {"layers": [8, 8], "lr": 1}) == TabDDPM(layers=(8, 8), lr=1)
    assert settings.built(CatBoostParams, {"depth": None, "learning_rate": 0.5}).learning_rate == 0.5


def test_half_a_line_of_a_killed_process_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "studies.log"
    optuna.create_study(storage=studies.open_storage(path), study_name="s").ask()
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:20])
    for expected in (1, 2):  # so that a line may follow
        study = optuna.load_study(storage=studies.open_storage(path), study_name="s")
        assert len(study.trials) == expected
        study.ask()
    path.write_bytes(b"something else of mine")
    with pytest.raises(studies.Unreadable, match=r"studies\.log is no journal"):
        studies.open_storage(path)
    assert path.read_bytes() == b"something else of mine"


def test_journals_of_studies(tmp_path: Path) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = tmp_path / "studies.log"

    def go_on() -> None:
        study = optuna.create_study(
            storage=studies.open_storage(path), study_name="s", direction="maximize", load_if_exists=True
        )
        studies.release_dead(study, timeout_s=1.0)
        studies.statistics(study)

    def trial(trial: optuna.Trial) -> float:
        trial.set_user_attr(studies.OWNER, studies.owner())
        trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float("x", 0.1, 1.0, log=True) + trial.suggest_int("n", 1, 3)

    study = optuna.create_study(storage=studies.open_storage(path), study_name="s", direction="maximize")
    study.optimize(trial, n_trials=2)
    failed = study.ask()
    failed.set_user_attr(studies.REASON, "no luck")
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    study.ask().set_user_attr(studies.OWNER, studies.owner() | {"pid": 2**22, "started": 0.0})
    whole = path.read_bytes()
    rng, said = random.Random(0), list[str]()
    lines = whole.decode().splitlines()
    texts = [b"\n".join([*map(str.encode, lines), text, b""]) for text in HOSTILE]
    for _ in range(2 * COUNT):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        texts.append(bytes(damaged[: rng.randint(1, len(damaged))] if rng.random() < 0.3 else damaged))
    for _ in range(2 * COUNT):
        place = rng.randrange(len(lines))
        changed = json.dumps(spoiled(json.loads(lines[place]), rng))
        texts.append("\n".join([*lines[:place], changed, *lines[place + 1 :], ""]).encode())
    for text in texts:
        path.write_bytes(text)
        outcomes(go_on, (studies.Unreadable, studies.NothingFound), said)
    assert len(said) > COUNT


def filled(address: str) -> None:
    """A study with a trial of every kind in a database."""
    study = optuna.create_study(
        storage=optuna.storages.RDBStorage(address), study_name="s", direction="maximize"
    )

    def trial(trial: optuna.Trial) -> float:
        trial.set_user_attr(studies.OWNER, studies.owner())
        trial.report(0.5, 1)
        return trial.suggest_float("x", 0.1, 1.0, log=True) + trial.suggest_int("n", 1, 3)

    study.optimize(trial, n_trials=2)
    failed = study.ask()
    failed.set_user_attr(studies.REASON, "no luck")
    study.tell(failed, state=optuna.trial.TrialState.FAIL)
    study.ask().set_user_attr(studies.OWNER, studies.owner() | {"pid": 2**22, "started": 0.0})
    study.enqueue_trial({"x": 0.3, "n": 2})


class Evil:
    """Bytes that leave a file where they are unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.whole
def test_databases_of_studies(tmp_path: Path) -> None:
    """Any cell may be hostile. SQLite stands in for the servers: it has the same tables, read by the same code."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    whole, path, mark = tmp_path / "whole.db", tmp_path / "studies.db", tmp_path / "ran"
    filled(f"sqlite:///{whole}")
    rng, said = random.Random(0), list[str]()
    pickled = pickle.dumps(Evil(mark))
    hostile: list[Any] = [
        *HOSTILE,
        pickled,
        base64.b64encode(pickled).decode(),
        None,
        "",
        "x" * 5000,
        "\x1b[2J",
    ]
    hostile += [text.decode("utf-8", "replace") for text in HOSTILE] + [-1, 0, 2**62, 1e300, float("inf")]

    def go_on() -> None:
        studies.release_dead(
            optuna.create_study(
                storage=studies._database(f"sqlite:///{path}"), study_name="s", load_if_exists=True
            ),
            timeout_s=1.0,
        )

    with sqlite3.connect(whole) as base:
        tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {t: [row[1] for row in base.execute(f"PRAGMA table_info({t})")] for t in tables}
    for _ in range(COUNT // 3):
        shutil.copyfile(whole, path)
        table = rng.choice(tables)
        with suppress(sqlite3.Error), sqlite3.connect(path) as base:  # some cells must be unique
            base.execute(f"UPDATE {table} SET {rng.choice(columns[table])} = ?", (rng.choice(hostile),))
        base.close()
        outcomes(go_on, (studies.Unreadable,), said)
    assert len(said) > COUNT / 30
    assert not mark.exists()


@pytest.mark.whole
def test_files_that_are_no_database_of_studies(tmp_path: Path) -> None:
    path, said = tmp_path / "studies.db", list[str]()
    filled(f"sqlite:///{path}")
    whole, rng = path.read_bytes(), random.Random(0)
    contents = [*HOSTILE[1:], b"SQLite format 3\x00" + bytes(4000)]
    for _ in range(COUNT // 3):
        damaged = bytearray(whole[: rng.randrange(1, len(whole))] if rng.random() < 0.5 else whole)
        for _ in range(rng.randint(1, 40)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        contents.append(bytes(damaged))
    for content in contents:
        path.write_bytes(content)
        outcomes(lambda: studies._database(f"sqlite:///{path}"), (studies.Unreadable,), said)
    path.unlink()
    with sqlite3.connect(path) as base:
        base.execute("CREATE TABLE studies (name TEXT)")
        base.execute("INSERT INTO studies VALUES ('mine')")
    base.close()
    with pytest.raises(studies.Unreadable, match=r"studies\.db cannot be reached, or holds no studies"):
        studies._database(f"sqlite:///{path}")
    with sqlite3.connect(path) as base:
        assert base.execute("SELECT name FROM studies").fetchall() == [("mine",)]
    base.close()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        *((a, "SQLite locks up") for a in ("sqlite:///a.db", "SQLite:///a.db", "sqlite+pysqlite:///a.db")),
        *((a, "a storage is a database of") for a in ("http://localhost/", "file:///etc/passwd", "os://x")),
        *((a, "this is no database URL") for a in ("://", "a b://c", "postgresql://u:p@h:port/x")),
        *((a, "cannot be reached") for a in ("postgresql+os://u:p@h/b", "postgresql://{0.__class__}")),
    ],
)
def test_addresses_of_a_wrong_kind(address: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        studies.open_storage(address)
    assert "u:p@" not in str(refused.value)
