"""Suites: named sets of points (dataset, method, sampler, grid, steps, seeds) and how to score them."""

from __future__ import annotations

from itertools import product
from typing import Any

from tabstep.registry import DEFAULT_SAMPLER, FREE, MIXED, STARTS, SWEEP, SWEPT
from tabstep.suite import Entry, Metric, Pairs, Steps, Suite

PAPER_DATASETS = (
    "abalone",
    "adult",
    "buddy",
    "california",
    "cardio",
    "churn2",
    "default",
    "diabetes",
    "fb-comments",
    "gesture",
    "higgs-small",
    "house",
    "insurance",
    "king",
    "miniboone",
    "wilt",
)

DEVELOPMENT = (
    "abalone",
    "california",
    "churn2",
    "diabetes",
    "gesture",
    "insurance",
    "wilt",
    "default",
    "adult",
)
"""Tables that the defaults of `tabstep` were chosen on."""

KEPT_ASIDE = ("buddy", "king", "house", "tabsyn-magic", "cardio")
"""Tables that nothing was chosen on."""

_SMALLEST = ("diabetes",)
"""Fewer than 500 training rows: a draw of as many says F1 to no better than .03, so it is drawn oftener."""

BUDGETS: tuple[Steps, ...] = (2, 5, 10, 20, 50, "T")

ALL_GRIDS = ("trailing", "linspace", "quad", "logsnr", "dp")


def _on_all_grids(*samplers: str) -> Pairs:
    return tuple((sampler, grid) for sampler in samplers for grid in ALL_GRIDS)


def _trailing(*samplers: str) -> Pairs:
    return tuple((sampler, "trailing") for sampler in samplers)


_FLOOR_AND_CEILING = (Entry("real"), Entry("marginals"))
_FLOORS = (*_FLOOR_AND_CEILING, Entry("bootstrap"), Entry("holdout"), Entry("mixture"))
_QUICK = {"T": 100, "steps": 1000, "layers": (256, 256), "batch_size": 512}
SHORT = {"T": 1000, "steps": 4000, "layers": (256, 256, 256), "batch_size": 1024}
"""TabDDPM in the size of `tabstep` and on as many rows: minutes instead of hours (`--params fast`)."""

LARGE: dict[str, Any] = {"steps": 4000, "batch_size": 1024, "levels": 0}
"""What the default of `tabstep` was, on as many rows in larger batches: what some studies have been run with so far."""

BRIEF: dict[str, Any] = {"steps": 4000}
"""`tabstep` trained a quarter as long as by default: what its parts are worth takes a dozen networks a table."""

LONG: dict[str, Any] = {"steps": 48_000}
"""`tabstep` trained three times as long as by default."""

_RACERS = (
    *FREE,
    *(f"free-{name}" for name in FREE),
    *(f"{start}-{name}" for start in ("mixture", "correlated") for name in (*MIXED, "unipc-2")),
)
_RACED_ON = ("trailing", "linspace", "quad", "logsnr", "karras", "dp")

_LEARNED = ("ggdm", "ddss", "ddss-critic", "adasde")
_SWEPT_STARTS = tuple(
    f"es-{SWEPT}-{start}-{stop}"
    for start in STARTS
    for stop in ("mmd", *(f"{100 * share:.0f}" for share in SWEEP))
)

_VECTOR: tuple[Metric, ...] = ("efficacy", "fidelity", "dependence", "coverage", "detection", "privacy")
_WITHOUT: dict[str, dict[str, Any]] = {
    "ranks": {"normalization": "quantile"},
    "velocity": {"head": "eps", "signal_floor": 0.0},
    "floor": {"signal_floor": 0.0},
    "balance": {"balance": "kinds"},
    "spread": {"times": "uniform"},
    "residual": {"body": "plain", "frequencies": 0},
    "periodic": {"frequencies": 0},
    "average": {"ema_decay": 0.0},
    "held": {"held_share": 0.0},
    "levels": {"levels": 0},
    "small-batches": {"steps": 1000, "batch_size": 1024},
}
"""What switches a part of `tabstep` off."""

SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            name="smoke",
            about="every method once on one small mixed table, trained for seconds: does it all run?",
            datasets=("mlc-churn",),
            entries=(
                *_FLOORS,
                Entry("smote"),
                Entry("copula"),
                Entry("tvae", "smoke", {"epochs": 1}),
                Entry("ctgan", "smoke", {"epochs": 1}),
                Entry("copulagan", "smoke", {"epochs": 1}),
                Entry("tabddpm", "smoke", {"T": 100, "steps": 300, "layers": (128, 128), "batch_size": 256}),
            ),
            steps=(2, 10),
            eval_seeds=1,
            evaluator="fast",
        ),
        Suite(
            name="quick",
            about="three real embedded tables, every method with short training, four step budgets, in ten minutes",
            datasets=("mlc-churn", "diamonds-cut", "diamonds-price"),
            entries=(
                *_FLOORS,
                Entry("smote"),
                Entry("copula"),
                Entry("tvae", "quick", {"epochs": 10}),
                Entry("ctgan", "quick", {"epochs": 5}),
                Entry("tabddpm", "quick", _QUICK),
                Entry(
                    "tabstep",
                    "quick",
                    {**_QUICK, "steps": 8000, "batch_size": 256},
                    samplers=_trailing(DEFAULT_SAMPLER),
                ),
            ),
            full=_trailing("ancestral"),
            steps=(2, 5, 20, "T"),
            train_seeds=2,
            eval_seeds=1,
            evaluator="fast",
            metrics=("efficacy", "fidelity", "coverage", "detection", "privacy", "faults"),
            rows=2000,
        ),
        Suite(
            name="recipe",
            about="tabstep beside TabDDPM of the same size and its former default, on tables chosen on and kept aside",
            datasets=(*DEVELOPMENT, *KEPT_ASIDE),
            entries=(
                *_FLOOR_AND_CEILING,
                Entry("mixture"),
                Entry("smote"),
                Entry("tabddpm", "short", SHORT),
                Entry("tabstep"),
                Entry("tabstep", "large-batches", LARGE),
            ),
            samplers=_trailing("dpmpp-2m-sde"),
            steps=(5, 10, 50),
            train_seeds=3,
            eval_seeds=1,
            evaluator="fast",
            metrics=_VECTOR,
            rows=10_000,
        ),
        Suite(
            name="parts",
            about="tabstep without one of its parts at a time, trained briefly, on tables chosen on and kept aside",
            datasets=(*DEVELOPMENT, *KEPT_ASIDE),
            entries=(
                Entry("tabstep", "brief", BRIEF),
                *(Entry("tabstep", f"no-{part}", {**BRIEF, **off}) for part, off in _WITHOUT.items()),
                Entry(
                    "tabstep",
                    "none",
                    BRIEF | {name: value for off in _WITHOUT.values() for name, value in off.items()},
                ),
            ),
            samplers=_trailing("dpmpp-2m-sde"),
            steps=(5, 10, 50),
            train_seeds=3,
            eval_seeds=1,
            evaluator="fast",
            metrics=_VECTOR,
            rows=10_000,
        ),
        Suite(
            name="few-steps",
            about="tabstep from noise, moments and mixtures, and by taught jumps, at one to fifty evaluations and at T",
            datasets=(*DEVELOPMENT, *KEPT_ASIDE),
            entries=(
                *_FLOORS,
                Entry("smote"),
                Entry("tabstep"),
            ),
            samplers=(
                *_trailing(
                    "dpmpp-2m-sde", "free-dpmpp-2m-sde", "mixture-dpmpp-2m-sde", "distilled", "refined"
                ),
                ("mixture-unipc-2", "quad"),
            ),
            full=_trailing("ancestral"),
            steps=(1, 2, 3, 5, 8, 10, 20, 50),
            steps_of={"distilled": (1, 2), "refined": (1, 2), "mixture-unipc-2": (2, 3, 5, 8, 10, 20)},
            train_seeds=3,
            sample_seeds=2,
            sample_seeds_of=dict.fromkeys(_SMALLEST, 8),
            eval_seeds=1,
            evaluator="fast",
            metrics=_VECTOR,
            rows=10_000,
        ),
        Suite(
            name="rivals",
            about="tabstep on the tables and by the scores that TabSyn, TabDiff and TabPC are published with",
            datasets=("tabsyn-magic", "tabsyn-default", "tabsyn-adult"),
            entries=(*_FLOORS, Entry("smote"), Entry("tabstep"), Entry("tabstep", "long", LONG)),
            samplers=_trailing("mixture-dpmpp-2m-sde", "distilled"),
            steps=(1, 2, 5, 10, 50),
            steps_of={"distilled": (1, 2)},
            train_seeds=3,
            eval_seeds=1,
            evaluator="fast",
            metrics=("rivals", "xgboost", "efficacy", "privacy"),
        ),
        Suite(
            name="reproduce",
            about="the published TabDDPM configuration, trained in full, on four small tables of the paper",
            datasets=("abalone", "diabetes", "insurance", "wilt"),
            entries=(*_FLOOR_AND_CEILING, Entry("tabddpm", "published")),
            samplers=(("ancestral-unclipped", "linspace"),),
            sample_seeds=5,
            eval_seeds=10,
            evaluator="published",
        ),
        Suite(
            name="race",
            about="tabstep by every sampler from every start on every grid: what the race of samplers is run on",
            datasets=(*DEVELOPMENT, *KEPT_ASIDE),
            entries=(Entry("tabstep"),),
            samplers=tuple(product(_RACERS, _RACED_ON)),
            steps=(5, 10, 20, 50),
            train_seeds=3,
            sample_seeds=5,
            eval_seeds=1,
            evaluator="fast",
            metrics=("efficacy", "fidelity", "dependence", "coverage", "detection"),
            rows=2000,
        ),
        Suite(
            name="authors",
            about="tabstep by the protocol of TabDDPM's authors: their splits, their evaluator, as many rows as theirs",
            datasets=PAPER_DATASETS,
            entries=(
                Entry("mixture"),
                Entry("tabstep"),
                Entry("tabstep", "long", LONG),
            ),
            samplers=_trailing(DEFAULT_SAMPLER),
            steps=(5, 50),
            train_seeds=3,
            sample_seeds_of=dict.fromkeys(_SMALLEST, 5),
            eval_seeds=3,
            evaluator="published",
            rows="published",
        ),
        Suite(
            name="ceiling",
            about="real training rows on every table of the paper, the authors' evaluator: pins splits and protocol",
            datasets=PAPER_DATASETS,
            entries=(Entry("real"),),
            eval_seeds=5,
            evaluator="published",
        ),
        Suite(
            name="ceiling-tuned",
            about="the same with the evaluators of our own tuning, results/tuned",
            datasets=PAPER_DATASETS,
            entries=(Entry("real"),),
            eval_seeds=10,
            evaluator="tuned",
        ),
        Suite(
            name="samplers",
            about="every sampler on every grid at seven budgets, one short fit of each of five tables",
            datasets=("adult", "churn2", "california", "gesture", "buddy"),
            entries=(
                *_FLOOR_AND_CEILING,
                Entry("tabddpm", "short", SHORT),
                Entry(
                    "iddpm",
                    "short",
                    {**SHORT, "objective": "skip"},
                    samplers=(
                        *_on_all_grids("learned"),
                        *((s, "trailing") for s in ("ancestral", "ancestral-small", "analytic")),
                    ),
                ),
            ),
            samplers=(
                *_on_all_grids("ancestral", "ancestral-small", "analytic"),
                *_on_all_grids("ddim", "dpmpp-2m", "dpmpp-2m-sde", "unipc-2"),
                ("ancestral-unclipped", "trailing"),
            ),
            steps=(2, 5, 10, 20, 50, 100, "T"),
            sample_seeds=2,
            eval_seeds=1,
            evaluator="fast",
            metrics=("efficacy", "validation", "nelbo"),
            rows=2000,
        ),
        Suite(
            name="families",
            about="tabstep from every start, with T' chosen, by a rule and swept, and by learned coefficients",
            datasets=(*DEVELOPMENT, *KEPT_ASIDE),
            entries=(
                *_FLOORS,
                *(Entry(name) for name in ("smote", "copula", "vae", "tvae", "ctgan")),
                Entry("tabstep"),
            ),
            samplers=_trailing(
                *("ddim", SWEPT, f"mixture-{SWEPT}", f"tied-{SWEPT}", f"mixture-tied-{SWEPT}"),
                *_LEARNED,
                *(f"es-{SWEPT}-{start}" for start in STARTS),
                *_SWEPT_STARTS,
            ),
            full=_trailing("ancestral"),
            steps=(1, 2, 5, 10),
            steps_of=dict.fromkeys(_LEARNED, (2, 5)) | dict.fromkeys(_SWEPT_STARTS, (2, 10)),
            eval_seeds=1,
            evaluator="fast",
            metrics=_VECTOR,
            rows=5000,
        ),
        Suite(
            name="paper",
            about="the sixteen tables of the TabDDPM paper, published configurations, every step budget",
            datasets=PAPER_DATASETS,
            entries=(
                *_FLOORS,
                Entry("smote"),
                Entry("copula"),
                Entry("tvae"),
                Entry("ctgan"),
                Entry("copulagan"),
                Entry("tabddpm", "published"),
            ),
            steps=BUDGETS,
            sample_seeds=5,
            eval_seeds=10,
            evaluator="tuned",
        ),
        Suite(
            name="own",
            about="every method at its defaults on a table of your own (tabstep run --csv)",
            datasets=(),
            entries=(
                *_FLOORS,
                Entry("smote"),
                Entry("copula"),
                Entry("tvae"),
                Entry("ctgan"),
                Entry("copulagan"),
                Entry("tabddpm"),
                Entry("tabstep", samplers=_trailing(DEFAULT_SAMPLER)),
            ),
            full=_trailing("ancestral"),
            steps=BUDGETS,
        ),
    )
}
