"""Rows beside each other: shares and associations against closed forms, figures against the numbers behind them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tabstep.data.table import Schema
from tabstep.report.figures import look

SCHEMA = Schema("binclass", "label", ("x", "count"), ("color",), frozenset({"count"}))


def made(n: int = 400, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n) + shift
    return pd.DataFrame(
        {
            "x": x,
            "count": rng.integers(0, 5, n),
            "color": rng.choice(["red", "green", "blue"], n),
            "label": np.where(x > shift, "yes", "no"),
        }
    )


def strength(frame: pd.DataFrame, first: str, second: str) -> tuple[str, float]:
    found = look.associations(frame, SCHEMA)
    row = found[(found["first"] == first) & (found["second"] == second)].iloc[0]
    return row["kind"], row["strength"]


def test_associations_against_other_formulas() -> None:
    frame = made()
    kind, found = strength(frame, "x", "count")
    assert (kind, found) == ("pearson", pytest.approx(stats.pearsonr(frame["x"], frame["count"])[0]))

    kind, found = strength(frame, "x", "color")
    groups = [part["x"] for _, part in frame.groupby("color")]
    k, n, F = len(groups), len(frame), stats.f_oneway(*groups).statistic
    assert (kind, found) == ("correlation ratio", pytest.approx(np.sqrt(F * (k - 1) / (F * (k - 1) + n - k))))

    kind, found = strength(frame, "color", "label")
    chi2 = stats.chi2_contingency(pd.crosstab(frame["color"], frame["label"]), correction=False).statistic
    assert (kind, found) == ("cramer", pytest.approx(np.sqrt(chi2 / n)))


def test_associations_at_their_ends() -> None:
    frame = made(4)
    frame["x"] = [1.0, 1.0, 2.0, 2.0]
    frame["color"] = ["red", "red", "blue", "blue"]
    frame["label"] = ["no", "yes", "no", "yes"]
    frame["count"] = 3
    assert strength(frame, "x", "color")[1] == pytest.approx(1), "labels tell the number"
    assert strength(frame, "x", "label")[1] == pytest.approx(0)
    assert strength(frame, "color", "label")[1] == pytest.approx(0)
    assert np.isnan(strength(frame, "x", "count")[1]), "a constant has none"
    frame["label"] = ["b", "b", "a", "a"]
    assert strength(frame, "color", "label")[1] == pytest.approx(1)


def test_marginals_are_shares_on_the_bins_of_the_real_rows() -> None:
    real, far = made(), made(seed=1, shift=100.0)
    real.loc[:39, "x"] = np.nan
    shares = look.marginals({"real": real, "far": far}, SCHEMA)
    totals = shares.groupby(["column", "rows"])["share"].sum()
    np.testing.assert_allclose(totals, 1)
    x = shares[(shares["column"] == "x") & shares["width"].notna()]
    real_x, far_x = (x[x["rows"] == who] for who in ("real", "far"))
    assert real_x["at"].tolist() == far_x["at"].tolist()
    assert far_x["share"].tolist() == [0.0] * (look.BINS - 1) + [1.0], "what is beyond the last bin is in it"
    gap = shares[shares["at"] == look.MISSING].set_index("rows")["share"]
    assert gap.to_dict() == {"real": 0.1, "far": 0.0}
    count = shares[(shares["column"] == "count") & (shares["rows"] == "real")]
    assert count["at"].tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5], "a bin a whole number"
    np.testing.assert_allclose(count["share"], real["count"].value_counts(normalize=True).sort_index())
    assert look.apart(shares)["x"] == pytest.approx(1.0, abs=0.1)


def test_rare_and_unseen_labels_are_the_rest() -> None:
    names = [f"c{i:02d}" for i in range(15) for _ in range(30 - i)]
    real = made(len(names)).assign(color=names)
    shares = look.marginals({"real": real, "new": real.assign(color="unheard of")}, SCHEMA)
    found = shares[shares["column"] == "color"]
    assert found["at"].tolist() == [*(f"c{i:02d}" for i in range(10)), look.REST] * 2
    assert found[found["rows"] == "new"]["share"].tolist() == [0.0] * 10 + [1.0]
    assert look.apart(shares)["color"] == pytest.approx(1 - real["color"].isin(names[-75:]).mean(), abs=0.2)
    assert look.apart(look.marginals({"real": real, "same": real}, SCHEMA)).max() == 0


@pytest.mark.usefixtures("blank_figures")
def test_figures_show_the_numbers(tmp_path: Path) -> None:
    real = made()
    drawn = {"near": look.Rows(made(seed=1), "#0072B2"), "far": look.Rows(made(seed=2, shift=1.0), "#D55E00")}
    paths = look.write(real, drawn, SCHEMA, tmp_path, "toy")
    assert {path.name for path in paths} == {
        f"toy-{what}.{suffix}" for what in ("marginals", "associations") for suffix in ("png", "pdf", "csv")
    }
    shares = look.marginals({"real": real, **{k: v.frame for k, v in drawn.items()}}, SCHEMA)
    figure = look.draw_marginals(shares, SCHEMA, {name: rows.colour for name, rows in drawn.items()})
    axis = next(a for a in figure.axes if a.get_title("left").startswith("x "))
    assert figure.axes[0] is axis, "the column that is furthest off comes first"
    assert len(figure.axes) == 4, "a panel a column and no empty one"
    stairs = {patch.get_label(): patch for patch in axis.patches if patch.get_label() in drawn}
    for name in drawn:
        expected = shares[(shares["column"] == "x") & (shares["rows"] == name)]["share"]
        np.testing.assert_allclose(stairs[name].get_data().values, expected)
    read = pd.read_csv(tmp_path / "toy-associations.csv")
    assert set(read["rows"]) == {"real", "near", "far"}
    assert len(read) == 3 * 6
    strengths = pd.concat(
        [
            look.associations(f, SCHEMA).assign(rows=n)
            for n, f in (("real", real), ("far", drawn["far"].frame))
        ]
    )
    squares = [a.images[0].get_array() for a in look.draw_associations(strengths, SCHEMA).axes if a.images]
    np.testing.assert_allclose(squares[0], squares[0].T)
    np.testing.assert_allclose(squares[1] - squares[0], squares[2])


def test_too_many_lines_to_tell_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 to 4 entrants"):
        look.write(made(), {str(i): look.Rows(made(), "#000000") for i in range(5)}, SCHEMA, tmp_path, "toy")


def test_gaps_and_labels_that_real_rows_lack_count_as_far_as_they_go() -> None:
    schema = Schema("binclass", "y", ("a",), ())
    real = pd.DataFrame({"a": np.random.default_rng(0).normal(size=200), "y": ["0", "1"] * 100})

    def apart(real: pd.DataFrame, drawn: pd.DataFrame) -> dict[str, float]:
        return look.apart(look.marginals({"real": real, "drawn": drawn}, schema)).to_dict()

    assert apart(real, real.assign(a=np.nan)) == pytest.approx({"a": 1.0, "y": 0.0})
    assert apart(real.assign(a=np.nan), real) == pytest.approx({"a": 1.0, "y": 0.0})
    assert apart(real, real.assign(y="z")) == pytest.approx({"a": 0.0, "y": 1.0})
    half = real.assign(a=real["a"].where(np.arange(200) < 100))
    assert apart(real, half)["a"] >= 0.5


def test_a_column_without_a_real_value_is_drawn_as_one_bar() -> None:
    schema = Schema("binclass", "y", ("a",), ())
    real = pd.DataFrame({"a": np.full(20, np.nan), "y": ["0", "1"] * 10})
    shares = look.marginals({"real": real, "drawn": real}, schema)
    figure = look.draw_marginals(shares, schema, {"drawn": "#123456"})
    assert len(figure.axes) >= 2
