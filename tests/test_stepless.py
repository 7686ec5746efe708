"""Methods without steps in the user's columns: registered ones and one's own, and clear words for what needs steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tabstep
from tabstep.api import stepless
from tabstep.api.stepless import Stepless
from tabstep.contracts import Unsupported
from tabstep.data.validity import Invalid
from tests.test_cli import call
from tests.test_constraints import shop
from tests.test_keeping import shares

PAGE = Path(__file__).resolve().parents[1] / "docs" / "architecture.md"


def orders(n: int = 300) -> pd.DataFrame:
    frame = shop(n).drop(columns="net_again")
    frame["ordered"] = frame["ordered"].dt.strftime("%d.%m.%Y")
    frame["gross"] = [f"{v:.2f} €" for v in frame["gross"]]
    frame.loc[::7, "noise"] = None
    frame["key"] = [f"O-{i:05}" for i in range(n)]
    return frame


def fitted(method: Any, **options: Any) -> Any:
    return tabstep.fit(orders(), method=method, id="key", progress="none", **options)


@pytest.fixture(scope="module")
def model() -> Stepless:
    found = fitted("marginals")
    assert isinstance(found, Stepless)
    return found


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The method of the documentation."""
    found = re.search(r"```python file=resampled.py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    path = tmp_path / "mine.py"
    path.write_text(found[1])
    return path


def test_rows_have_the_form_of_the_table_new_ids_and_its_rules(model: Stepless) -> None:
    rows, frame = model.sample(200, seed=3), orders()
    assert list(rows) == list(frame)
    assert rows.dtypes.equals(frame.dtypes)
    assert rows["key"].tolist()[:2] == ["O-00300", "O-00301"]
    assert rows["gross"].str.fullmatch(r"-?\d+\.\d\d €").all()
    assert rows["noise"].isna().mean() == pytest.approx(1 / 7, abs=0.08)
    assert len(model.constraints) >= 4
    assert shares(model, rows.drop(columns="key")) == [1.0] * len(model.constraints)  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(model.sample(200, seed=3), rows)
    assert not model.sample(200, seed=4).equals(rows)


@pytest.mark.whole
@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_a_file_has_the_same_rows_whatever_its_parts(
    model: Stepless, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(stepless, "CHUNK", 64)
    monkeypatch.setattr("tabstep.api.drawing.PART_ROWS", 100)
    path, rows = tmp_path / f"rows{ending}", model.sample(333)
    pd.testing.assert_frame_equal(model.sample(70), rows.head(70))

    def die(done: int, n: int) -> None:
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.sample_to(path, 333, progress=die)
    model.sample_to(path, 333)
    found = pd.read_csv(path) if ending == ".csv" else pd.read_parquet(path)
    assert found["gross"].tolist() == rows["gross"].tolist()
    assert found["key"].tolist() == rows["key"].tolist()
    assert not rows.duplicated(["net", "tax", "noise"]).any()  # no chunk is drawn twice


def test_conditions_are_met_by_choice(model: Stepless) -> None:
    rows = model.sample(60, where={"city": ["Rome", "Bern"], "tax": (1, 20)})
    assert set(rows["city"]) == {"Rome", "Bern"}
    assert rows["tax"].between(1, 20).all()
    assert rows.attrs["conditions"]["kept"] >= 60
    assert set(model.sample(80, balance="country")["country"].value_counts()) == {26, 27}
    with pytest.raises(ValueError, match="no column 'ctiy'; did you mean 'city'"):
        model.sample(5, where={"ctiy": "Rome"})
    with pytest.raises(ValueError, match="training rows have Bern, Lima, Oslo, Rome"):
        model.sample(5, where={"city": "Paris"})


def test_what_needs_steps_is_refused_in_words(model: Stepless, tmp_path: Path) -> None:
    for walk in ({"steps": 5}, {"sampler": "ddim"}, {"grid": "quad"}):
        with pytest.raises(Unsupported, match=f"{next(iter(walk))}: Marginals draws rows without steps"):
            model.sample(5, **walk)
        with pytest.raises(Unsupported, match="without steps"):
            model.report(orders(), **walk)
    for name in stepless.BY_STEPS:
        with pytest.raises(
            AttributeError, match=f"without steps has no '{name}'; it needs a method with steps"
        ):
            getattr(model, name)
    with pytest.raises(TypeError, match="'sed'"):
        model.sample(5, sed=1)
    with pytest.raises(Unsupported, match="Marginals cannot be saved"):
        model.save(tmp_path)
    with pytest.raises(ValueError, match="advice is on steps, and Marginals"):
        tabstep.advise(orders(), method="marginals", seconds=None)
    with pytest.raises(ValueError, match="SMOTE takes no seconds"):
        fitted("smote", seconds=3)


@pytest.mark.parametrize("name", ["smote", "copula", "mixture", "bootstrap"])
def test_registered_methods_draw_rows(name: str) -> None:
    rows = fitted(name, target="city").sample(40)
    assert rows.dtypes.equals(orders().dtypes)
    assert set(rows["city"]) <= set(orders()["city"])


def test_a_method_of_ones_own_is_taken_from_a_file_and_as_an_object(mine: Path) -> None:
    from_file = fitted(str(mine)).sample(30, seed=2)
    pd.testing.assert_frame_equal(fitted(f"{mine}:Resampled").sample(30, seed=2), from_file)
    known = set(orders()["net"])
    assert set(from_file["net"]) <= known
    with pytest.raises(ValueError, match=r"no file .*other\.py"):
        fitted(str(mine.with_name("other.py")))


@dataclass(frozen=True)
class Odd:
    """What it makes is no table."""

    rows: Any

    def fit(self, train: pd.DataFrame, schema: Any, *, seed: int, device: str = "cpu") -> Any:
        return self

    def sample(self, n: int, *, seed: int) -> Any:
        return self.rows


@dataclass(frozen=True)
class Nothing:
    """It learns nothing that draws."""

    def fit(self, train: pd.DataFrame, schema: Any, *, seed: int, device: str = "cpu") -> int:
        return 3


def test_a_method_that_breaks_the_contract_is_told_so() -> None:
    with pytest.raises(Invalid, match="must return a DataFrame, got list"):
        fitted(Odd([1, 2])).sample(5)
    with pytest.raises(ValueError, match=r"Nothing\.fit returned int, which has no sample"):
        fitted(Nothing())


def test_the_command_line_writes_their_rows(tmp_path: Path) -> None:
    table, out = tmp_path / "my.csv", tmp_path / "rows.csv"
    orders().to_csv(table, index=False)
    options = ("--rows", 50, "--out", out, "--method", "copula", "--id", "key", "--where", "city=Rome")
    done = call("sample", table, *options)
    assert done.exit_code == 0, done.output
    assert set(pd.read_csv(out)["city"]) == {"Rome"}


@pytest.mark.slow
def test_a_report_of_a_method_without_steps(model: Stepless) -> None:
    report = model.report(orders())
    trend = report.scores["trend_corrected"]
    assert trend.value < trend.real - 0.01  # columns apart, whose rules alone are kept
    assert report.portrait.fit["method"] == "Marginals"
    assert "O-00300" in report._repr_html_()


@pytest.mark.slow
def test_a_network_without_steps(tmp_path: Path) -> None:
    pytest.importorskip("sdv")
    rows = tabstep.fit(orders(), method=_ctgan(), id="key", progress="none").sample(20)
    assert rows.dtypes.equals(orders().dtypes)


def _ctgan() -> Any:
    from tabstep.baselines.ctgan import CTGAN

    return CTGAN(epochs=1, batch_size=100)
