"""What a suite is: points (dataset, method, sampler, grid, steps, seeds), and how to score them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tabstep.external import Code

Steps = int | Literal["T"]
Pairs = tuple[tuple[str, str], ...]  # sampler, grid
Params = Literal["default", "fast", "published", "tuned"]
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
    "rivals",
    "xgboost",
    "mlp",
    "simple",
]


@dataclass(frozen=True)
class Entry:
    """A method as a suite runs it: `params` is the label of its settings in every table.

    "default" are the class' own fields, "fast" those of TabDDPM in the size and length of `tabstep`, "published" the
    TabDDPM authors' tuned ones, "tuned" those that `tabstep tune` left in results/tuned; any other label is the
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
    full         (sampler, grid) pairs that every diffusion method runs at T steps too: what few steps are held against
    steps_of     budgets of single samplers, by name, in place of `steps`; none where a user asks for budgets
    train_seeds, sample_seeds, eval_seeds   counts; seeds are 0, 1, ...
    sample_seeds_of   counts of single tables, by name, in place of `sample_seeds`: few rows scatter most
    evaluator    where the parameters of the CatBoost evaluator come from: its own defaults, "fast" (few, large
                 steps), our tuning in results/tuned, or the TabDDPM authors' tuning
    metrics      what is scored: "efficacy" on the test part, "validation" the same on the validation part, "nelbo"
                 the bound on the likelihood of test rows, for samplers that have one, "xgboost", "mlp" and
                 "simple" efficacy by other evaluators, the others scores of the rows without an evaluator
    rows         the most synthetic rows of a cell, or "published", as many as the authors of TabDDPM drew of the table
                 with each method; None draws as many as the method is said to
    sampler_codes, grid_codes  where samplers and grids from outside come from, by name
    """

    name: str
    about: str
    datasets: tuple[str, ...]
    entries: tuple[Entry, ...]
    samplers: Pairs = (("ancestral", "trailing"), ("ddim", "trailing"))
    full: Pairs = ()
    steps: tuple[Steps, ...] = ("T",)
    steps_of: Mapping[str, tuple[Steps, ...]] = field(default_factory=dict)
    train_seeds: int = 1
    sample_seeds: int = 1
    sample_seeds_of: Mapping[str, int] = field(default_factory=dict)
    eval_seeds: int = 3
    evaluator: EvaluatorSource = "default"
    metrics: tuple[Metric, ...] = ("efficacy",)
    rows: int | Literal["published"] | None = None
    sampler_codes: Mapping[str, Code] = field(default_factory=dict)
    grid_codes: Mapping[str, Code] = field(default_factory=dict)
