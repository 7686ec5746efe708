"""A fitted model judged: its rows beside real ones and beside independent columns, as a portrait for a page."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import pandas as pd

from tabstep.api import told
from tabstep.api.compared import MOST, Parts, canonical, check_target, varying, vector
from tabstep.api.origin import Origin
from tabstep.baselines.marginals import Marginals
from tabstep.data import comparable
from tabstep.data.columns import Column
from tabstep.data.completion import Completion
from tabstep.data.compound import Compound
from tabstep.data.constraints import Constraint, share_kept
from tabstep.data.described import kind
from tabstep.data.encode import Encoder
from tabstep.data.identifiers import Identifier
from tabstep.data.spans import Span
from tabstep.data.table import Schema
from tabstep.metrics import rows as scores_of_rows
from tabstep.metrics import trend
from tabstep.metrics.faults import copies
from tabstep.records.provenance import environment
from tabstep.report.figures import look
from tabstep.report.numbers import leak, portrait

WORST = 5  # pairs that are shown

FIDELITY = "fidelity: single columns, and rows as a whole"
TITLES = {
    "shape": (FIDELITY, "Shape"),
    "wasserstein": (FIDELITY, "Wasserstein distance"),
    "c2st_xgboost": (FIDELITY, "C2ST, area of a classifier"),
    "c2st_xgboost_score": (FIDELITY, "C2ST, 1 − (2 · area − 1)"),
    "alpha_precision": (FIDELITY, "alpha-precision"),
    "beta_recall": (FIDELITY, "beta-recall"),
    "coverage": (FIDELITY, "coverage"),
    "trend_corrected": ("dependence: pairs of columns", "Trend"),
    "catboost_f1_macro": ("efficacy: an evaluator trained on the rows", "macro-F1 of CatBoost"),
    "catboost_r2": ("efficacy: an evaluator trained on the rows", "R² of CatBoost"),
}
FAULTS = {
    "out_of_range": "a number outside the training range",
    "unseen": "a label that no training row has",
    "new_gaps": "a gap where no training row has one",
    "fractions": "a fraction where all are whole",
    "duplicates": "all values equal to those of an earlier row",
}


class Drawn(Protocol):
    """What is judged: a `Synthesizer`, or a method without steps."""

    @property
    def columns(self) -> tuple[Column, ...]: ...
    @property
    def completion(self) -> Completion: ...
    @property
    def constraints(self) -> tuple[Constraint, ...]: ...
    @property
    def spans(self) -> tuple[Span, ...]: ...
    @property
    def identifiers(self) -> tuple[Identifier, ...]: ...
    @property
    def compounds(self) -> tuple[Compound, ...]: ...
    @property
    def origin(self) -> Origin: ...
    @property
    def encoder(self) -> Encoder: ...
    @property
    def settings(self) -> Mapping[str, Any]: ...
    @property
    def sample(self) -> Callable[..., pd.DataFrame]: ...


def judge(
    model: Drawn, real: pd.DataFrame, holdout: pd.DataFrame | None, draw: Mapping[str, Any], title: str
) -> portrait.Portrait:
    """A portrait of a model by its `sample(n, **draw)`. Raises ValueError for rows that are not of its table."""
    started = time.perf_counter()
    schema = varying(model.completion, model.columns)
    train = canonical(model.columns, model.compounds, real, "real")
    held = None if holdout is None else canonical(model.columns, model.compounds, holdout, "holdout")
    check_target(train, model.origin.target, "real")
    if held is not None:
        check_target(held, model.origin.target, "holdout")
    parts = Parts.of(schema, train, held, draw["seed"])
    if (shared := known(parts)) is not None:
        warnings.warn(f"holdout: {shared}: scores and privacy say little", UserWarning, stacklevel=4)
    begun = time.perf_counter()
    drawn = canonical(model.columns, model.compounds, model.sample(len(parts.like), **draw), "drawn")
    sample_s = time.perf_counter() - begun
    shares = look.marginals({"real": parts.against, "drawn": drawn}, schema)
    return portrait.Portrait(
        title=title,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        measured=parts.measured if shared is None else f"{parts.measured} But {shared}.",
        rows={
            "training rows": len(train),
            portrait.WATCHED: model.origin.watched,
            "held-out rows": 0 if held is None else len(held),
            "drawn rows": len(drawn),
            "real rows scored against": len(parts.against),
        },
        scores=_levels(parts, drawn, model.origin.target is not None, draw["seed"]),
        privacy=leak.verdict(evidence(parts, drawn)),
        faults=_faults(parts, drawn),
        rules=_rules(model.constraints, model.columns, parts, drawn),
        columns=_columns(model, shares),
        pairs=_pairs(parts, drawn),
        changed=tuple(
            told.changed(
                model.columns,
                model.completion,
                model.origin,
                model.encoder,
                model.identifiers,
                model.spans,
                model.compounds,
            )
        ),
        fit={
            "rows": model.origin.rows,
            "target": model.origin.target,
            "seed": model.origin.seed,
            "seconds": model.origin.fit_s,
            **model.settings,
        },
        draw={**draw, "seconds": sample_s},
        environment={"fitted with": model.origin.environment, "reported with": environment()},
        report_s=time.perf_counter() - started,
    )


def _levels(parts: Parts, drawn: pd.DataFrame, aimed: bool, seed: int) -> tuple[portrait.Level, ...]:
    floor = Marginals().fit(parts.like, parts.schema, seed=seed).sample(len(drawn), seed=seed)
    scored = [vector(rows, parts, aimed=aimed, seed=seed) for rows in (drawn, parts.like, floor)]
    found = [scores for scores, _ in scored]
    reasons = [reason for _, why in scored for reason in why]
    wanted = [name for name in TITLES if any(name in scores for scores in found)]
    return tuple(
        portrait.Level(
            TITLES[name][0],
            name,
            TITLES[name][1],
            value=found[0].get(name),
            real=found[1].get(name),
            floor=found[2].get(name),
            reason="" if name in found[0] else "; ".join(dict.fromkeys(reasons)),
        )
        for name in wanted
    )


def evidence(parts: Parts, drawn: pd.DataFrame) -> tuple[leak.Evidence, ...]:
    """What drawn rows give away of the training rows."""
    schema, train, held = parts.schema, parts.train, parts.held
    exact = copies(drawn, train, schema)
    alike = _twins(train, schema)
    few = held is not None and len(held) < leak.FEWEST
    why = "no held-out rows" if held is None else f"{len(held)} held-out rows are too few" if few else None
    why = why or known(parts)
    if held is None or why is not None:
        return (
            leak.copies(exact, len(drawn), alike),
            leak.unmeasured("dcr_share", "nearness to training rows", str(why)),
            leak.unmeasured("mia_max", "membership attacks", str(why)),
        )
    scores = scores_of_rows.privacy(drawn, replace(parts.dataset, test=held))
    return (
        leak.copies(exact, len(drawn), leak.Chance(copies(held, train, schema), len(held)), alike),
        leak.nearest(scores["dcr_share"], min(len(drawn), MOST), len(train), len(held)),
        leak.attacks(scores["mia_max"], scores["mia_auc_low"], scores["mia_auc_high"]),
    )


def known(parts: Parts) -> str | None:
    """Why held-out rows are none: far more of them equal a training row than rows of either part equal one another.

    A model that copies would seem to do what fresh rows do.
    """
    if parts.held is None:
        return None
    n = len(parts.held)
    share = copies(parts.held, parts.train, parts.schema)
    real = [_twins(rows, parts.schema) for rows in (parts.train, parts.held)]
    if all(chance.of(round(share * n), n) < leak.SURE and share > 2 * chance.share for chance in real):
        return f"{share:.1%} of the held-out rows are training rows, of which a holdout must have none"
    return None


def _twins(rows: pd.DataFrame, schema: Schema) -> leak.Chance:
    """The share of rows that another one equals: what a fresh row would find there."""
    share = float(_rounded(rows, schema).duplicated(keep=False).mean())
    return leak.Chance.of_training(share, len(rows))


def _rounded(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    return rows[list(schema.columns)].astype(dict.fromkeys(schema.numbers, "float64"))


def _faults(parts: Parts, drawn: pd.DataFrame) -> tuple[portrait.Share, ...]:
    of_drawn, of_real = (scores_of_rows.faults(rows, parts.dataset) for rows in (drawn, parts.against))
    return (
        *(portrait.Share(title, of_drawn[name], of_real[name]) for name, title in FAULTS.items()),
        portrait.Share(
            "more decimals than real ones (share of values)",
            1 - of_drawn["precision_kept"],
            1 - of_real["precision_kept"],
        ),
    )


def _rules(
    rules: tuple[Constraint, ...], columns: tuple[Column, ...], parts: Parts, drawn: pd.DataFrame
) -> tuple[portrait.Share, ...]:
    both = [comparable.frame(columns, rows) for rows in (drawn, parts.against)]
    return tuple(portrait.Share(str(rule), *(share_kept(rule, frame) for frame in both)) for rule in rules)


def _columns(model: Drawn, shares: pd.DataFrame) -> tuple[portrait.Column, ...]:
    known = {c.name: c for c in model.columns}
    found = []
    for name, distance in look.apart(shares).sort_values(ascending=False, kind="stable").items():
        part = shares[shares["column"] == name]
        real, drawn = (part[part["rows"] == side] for side in ("real", "drawn"))
        width = tuple(None if pd.isna(w) else float(w) for w in real["width"])
        binned = [(float(a), w) for a, w in zip(real["at"], width, strict=True) if w is not None]
        column = known[str(name)]
        ends = [binned[0][0], sum(binned[-1])] if binned else []
        written = [_shown(v) for v in column.write(pd.Series(ends))] if ends else []
        found.append(
            portrait.Column(
                str(name),
                kind(column),
                float(distance),
                at=tuple(real["at"]),
                width=width,
                real=tuple(real["share"]),
                drawn=tuple(drawn["share"]),
                ends=tuple(written),
            )
        )
    return tuple(found)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value).removesuffix(" 00:00:00")


def _pairs(parts: Parts, drawn: pd.DataFrame) -> tuple[portrait.Pair, ...]:
    similar = trend.by_pair(scores_of_rows.within(drawn, parts.dataset), parts.against, parts.schema)
    worst = sorted((value, pair) for pair, value in similar.items() if value == value)[:WORST]
    return tuple(portrait.Pair(*pair, value) for value, pair in worst)
