"""Suites: named sets of points (dataset, method, sampler, grid, steps, seeds) and how to score them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tabstep.external import Code
from tabstep.registry import SWEEP

Steps = int | Literal["T"]
Pairs = tuple[tuple[str, str], ...]  # sampler, grid
Params = Literal["default", "published", "tuned"]
EvaluatorSource = Literal["default", "fast", "tuned", "published"]
Metric = Literal[
    "efficacy",
    "validation",
    "nelbo",
    "fidelity",
    "privacy",
    "coverage",
    "detection",
    "faults",
    "dependence",
    "tails",
    "utility",
    "augmentation",
    "xgboost",
    "mlp",
    "simple",
]


@dataclass(frozen=True)
class Entry:
    """A method as a suite runs it: `params` is the label of its settings in every table.

    "default" are the class' own fields, "published" the TabDDPM authors' tuned ones, "tuned" those that `tabstep tune`
    left in results/tuned; any other label is the
    suite's name for the `settings` given here. `samplers`, where given, stand in for the suite's. `code` is where a
    method from outside comes from.
    """

    method: str
    params: str = "default"
    settings: Mapping[str, Any] = field(default_factory=dict)
    samplers: Pairs = ()
    code: Code | None = None


@dataclass(frozen=True)
class Suite:
    """What `tabstep run` does.

    samplers     (sampler, grid) pairs, crossed with `steps` for every diffusion method; at T steps all grids are one
                 path, and the first that the suite names for a sampler is run
    train_seeds, sample_seeds, eval_seeds   counts; seeds are 0, 1, ...
    evaluator    where the parameters of the CatBoost evaluator come from: its own defaults, "fast" (few, large
                 steps), our tuning in results/tuned, or the TabDDPM authors' tuning
    metrics      what is scored: "efficacy" on the test part, "validation" the same on the validation part, "nelbo"
                 the bound on the likelihood of test rows, for samplers that have one, "xgboost", "mlp" and
                 "simple" efficacy by other evaluators, the others scores of the rows without an evaluator
    rows         the most synthetic rows of a cell; None draws as many as the method is said to
    """

    name: str
    about: str
    datasets: tuple[str, ...]
    entries: tuple[Entry, ...]
    samplers: Pairs = (("ancestral", "trailing"), ("ddim", "trailing"))
    steps: tuple[Steps, ...] = ("T",)
    train_seeds: int = 1
    sample_seeds: int = 1
    eval_seeds: int = 3
    evaluator: EvaluatorSource = "default"
    metrics: tuple[Metric, ...] = ("efficacy",)
    rows: int | None = None


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

BUDGETS: tuple[Steps, ...] = (2, 5, 10, 20, 50, "T")

ALL_GRIDS = ("trailing", "linspace", "quad", "logsnr", "dp")


def _on_all_grids(*samplers: str) -> Pairs:
    return tuple((sampler, grid) for sampler in samplers for grid in ALL_GRIDS)


def _trailing(*samplers: str) -> Pairs:
    return tuple((sampler, "trailing") for sampler in samplers)


_FLOOR_AND_CEILING = (Entry("real"), Entry("marginals"))
_FLOORS = (*_FLOOR_AND_CEILING, Entry("bootstrap"), Entry("holdout"), Entry("mixture"))
_SHORT = {"T": 1000, "steps": 4000, "layers": (256, 256, 256), "batch_size": 1024}

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
            about="three real embedded tables, every method with short training, six step budgets",
            datasets=("mlc-churn", "diamonds-cut", "diamonds-price"),
            entries=(
                *_FLOORS,
                Entry("smote"),
                Entry("copula"),
                Entry("tvae", "quick", {"epochs": 20}),
                Entry("ctgan", "quick", {"epochs": 10}),
                Entry("copulagan", "quick", {"epochs": 10}),
                Entry("tabddpm", "quick", {"T": 100, "steps": 2000, "layers": (256, 256), "batch_size": 512}),
            ),
            steps=BUDGETS,
            train_seeds=2,
            eval_seeds=2,
            evaluator="fast",
            metrics=("efficacy", "fidelity", "coverage", "detection", "privacy", "faults"),
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
                Entry("tabddpm", "short", _SHORT),
                Entry(
                    "iddpm",
                    "short",
                    {**_SHORT, "objective": "skip"},
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
            about="early-stopped and learned samplers beside the best others, on three mixed tables: T' sweep, 5 seeds",
            datasets=("churn2", "buddy", "adult"),
            entries=(
                *_FLOOR_AND_CEILING,
                Entry("vae"),
                Entry("ctgan"),
                Entry("tabddpm", "short", _SHORT),
            ),
            samplers=_trailing(
                *("ancestral", "ancestral-small", "ddim", "dpmpp-2m-sde", "ddss", "ggdm"),
                *("es-ancestral-vae", "es-ddim-vae", "es-ancestral-ctgan", "es-ddim-ctgan"),
                *(f"es-ancestral-{start}-{100 * stop:.0f}" for start in ("vae", "ctgan") for stop in SWEEP),
            ),
            steps=(2, 5, 10, 20, 50),
            sample_seeds=5,
            eval_seeds=1,
            evaluator="fast",
            metrics=("efficacy", "validation"),
            rows=2000,
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
            ),
            steps=BUDGETS,
        ),
    )
}
