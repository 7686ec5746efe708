"""The evidence lower bound, its table, and the search for the best path: enumeration, closed forms, brute force."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest, norm
from torch import Tensor

from tabstep.diffusion import gaussian, multinomial, nelbo
from tabstep.diffusion.blocks import Blocks
from tabstep.diffusion.mixed import Process, State
from tabstep.diffusion.model import Counted
from tabstep.diffusion.nelbo import Pass, Variance, categorical_steps, numeric_steps, passes, table
from tabstep.diffusion.schedule import Schedule, make
from tabstep.diffusion.schedule_search import shortest
from tabstep.samplers.ancestral import Ancestral
from tabstep.samplers.dp import DP, PRICED_AS
from tabstep.samplers.setting import Artifacts, Setting
from tests.oracle import F64, LatentClass, TwoColumns, mixed_table

VARIANCES: tuple[Variance, ...] = ("large", "small", "analytic", "score", "learned")


def random_process(T: int = 12, d: int = 2, sizes: tuple[int, ...] = (3, 3, 5), dtype: Any = F64) -> Process:
    """A network of random weights, with variance fractions."""
    g = torch.Generator().manual_seed(1)
    blocks = Blocks(sizes)
    w = torch.randn(d + blocks.width, 2 * d + blocks.width, generator=g, dtype=F64).to(dtype)

    def denoiser(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        out = torch.tanh(torch.cat([x, blocks.one_hot(c, x.dtype)], 1) @ w)
        numeric = torch.cat([out[:, :d], (out[:, d : 2 * d] + 1) / 2], 1)
        return numeric, blocks.log_softmax(3 * out[:, 2 * d :])

    limit = torch.full((d,), 3.0, dtype=dtype)
    return Process(
        make("cosine", T), blocks, denoiser, -limit, limit, learned_variance=gaussian.interpolated_variance
    )


def random_rows(process: Process, n: int = 40) -> State:
    g = torch.Generator().manual_seed(2)
    c = [torch.randint(K, (n,), generator=g) for K in process.blocks.sizes]
    x = torch.randn(n, process.d_num, generator=g, dtype=F64).to(process.x_min.dtype)
    return State(x, torch.stack(c, 1) if c else torch.empty(n, 0, dtype=torch.int64), None)


def exact_pass(world: TwoColumns, t: int) -> tuple[Pass, Tensor]:
    """All (c_0, c_t) of two columns as rows, with their probabilities, and the ideal head."""
    K, a = world.K, world.schedule.at(t)
    classes = torch.cartesian_prod(*[torch.arange(K)] * 4)
    c_0, c_t = classes[:, :2], classes[:, 2:]
    weight = world.P[c_0[:, 0], c_0[:, 1]]
    for j in range(2):
        weight = weight * world.channel(a)[c_0[:, j], c_t[:, j]]
    empty = torch.empty(len(classes), 0, dtype=F64)
    return Pass(t, empty, empty[0], empty, world(empty, c_t, t, None)[1], c_0, c_t), weight


def exact_table(world: TwoColumns) -> Tensor:
    """L(s, t) of the ideal head by enumeration, (T + 1, T + 1)."""
    T = world.schedule.T
    cost = torch.full((T + 1, T + 1), math.inf, dtype=F64)
    for t in range(1, T + 1):
        out, weight = exact_pass(world, t)
        a_t = world.schedule.alpha_bar[t].reshape(1, 1)
        for s in range(t):
            a_s = world.schedule.alpha_bar[s].reshape(1, 1)
            kl = multinomial.kl_step(out.log_pi.view(-1, 2, world.K), out.c_0, out.c_t, a_t, a_s)
            cost[s, t] = (weight * kl.sum(1)).sum()
    return cost


# The bound


def naive_parts(process: Process, out: Pass, s: int, variance: Variance, x_0: Tensor) -> tuple[float, float]:
    """L(s, t) with loops over rows, columns and classes, from the definitions."""
    a_t, a_s = process.schedule.at(out.t), process.schedule.at(s)
    numeric = 0.0
    n, d = out.error.shape
    m = out.error.mean(0)
    for i in range(d):
        for row in range(n):
            if s == 0:
                a1, a2 = process.schedule.at(1), process.schedule.at(2)
                least = (1 - a1) * (1 - a2 / a1) / (1 - a2)
                f = float(out.fraction[row, i])
                w = {
                    "large": 1 - a_t,
                    "small": least,
                    "analytic": max(float(m[i]), least),
                    "score": least + float(out.given[i]),
                    "learned": (1 - a_t) ** f * least ** (1 - f),
                }[variance]
                numeric += 0.5 * (math.log(2 * math.pi * w) + float(out.error[row, i]) / w) / n
                continue
            beta = 1 - a_t / a_s
            small = beta * (1 - a_s) / (1 - a_t)
            A2 = a_s * beta**2 / (1 - a_t) ** 2
            f = float(out.fraction[row, i])
            v = {
                "large": beta,
                "small": small,
                "analytic": small + A2 * float(m[i]),
                "score": small + A2 * float(out.given[i]),
                "learned": math.exp(f * math.log(beta) + (1 - f) * math.log(small)),
            }[variance]
            numeric += 0.5 * ((small + A2 * float(out.error[row, i])) / v - 1 + math.log(v / small)) / n
    categorical, first = 0.0, 0
    for j, K in enumerate(process.blocks.sizes):
        for row in range(n):
            pi = out.log_pi[row, first : first + K].double().exp().tolist()
            c_0, c_t = int(out.c_0[row, j]), int(out.c_t[row, j])
            alpha = a_t / a_s
            like = [alpha * (k == c_t) + (1 - alpha) / K for k in range(K)]
            q = [like[k] * (a_s * (k == c_0) + (1 - a_s) / K) for k in range(K)]
            p = [like[k] * (a_s * pi[k] + (1 - a_s) / K) for k in range(K)]
            q, p = [v / sum(q) for v in q], [v / sum(p) for v in p]
            categorical += sum(q[k] * math.log(q[k] / p[k]) for k in range(K) if q[k] > 0) / n
        first += K
    return numeric, categorical


@pytest.mark.parametrize("variance", VARIANCES)
def test_table_equals_loops_over_the_definitions(variance: Variance) -> None:
    process = random_process(T=6)
    held = random_rows(process, 12)
    found = table(process, held, range(7), variance)
    for out in passes(process, held, range(1, 7), clip_x0=True):
        for s in range(out.t):
            numeric, categorical = naive_parts(process, out, s, variance, held.x)
            assert float(found.numeric[s, out.t]) == pytest.approx(numeric, abs=1e-9)
            assert float(found.categorical[s, out.t]) == pytest.approx(categorical, abs=1e-9)
    assert (found.numeric.tril() == 0).all()


def test_single_precision_is_enough_for_the_table() -> None:
    double, single = random_process(dtype=F64), random_process(dtype=torch.float32)
    a = table(double, random_rows(double), range(13), "analytic")
    b = table(single, random_rows(single), range(13), "analytic")
    above = torch.ones(13, 13).triu(1).bool()
    # The noise is drawn in the precision of the rows, so compare what one pass gives, not two passes.
    out = next(passes(double, random_rows(double), [9], clip_x0=True))
    low = replace(out, log_pi=out.log_pi.float())
    assert torch.allclose(
        categorical_steps(single, low, range(9)), categorical_steps(double, out, range(9)), atol=1e-4
    )
    assert torch.isfinite(a.categorical[above]).all()
    assert torch.isfinite(b.categorical[above]).all()


def test_all_single_steps_add_up_to_the_bound_by_an_independent_path() -> None:
    process = random_process(T=8)
    held = random_rows(process)
    numeric, categorical = nelbo.nelbo(process, held, range(8, -1, -1), "small", clip_x0=False)
    expected_numeric = expected_categorical = 0.0
    schedule = process.schedule
    for out in passes(process, held, range(1, 9), clip_x0=False):
        one, two = naive_parts(process, out, out.t - 1, "small", held.x)
        expected_numeric += one
        expected_categorical += two
    a_T = schedule.at(8)
    x2 = held.x.square().sum(1).mean()
    expected_numeric += 0.5 * float(a_T * x2 + process.d_num * (1 - a_T - 1 - math.log(1 - a_T)))
    for K in process.blocks.sizes:
        q = [a_T + (1 - a_T) / K] + [(1 - a_T) / K] * (K - 1)
        expected_categorical += sum(p * math.log(p * K) for p in q)
    assert float(numeric) == pytest.approx(expected_numeric, abs=1e-10)
    assert float(categorical) == pytest.approx(expected_categorical, abs=1e-10)


def test_numeric_step_with_the_small_variance_is_a_difference_of_snr() -> None:
    process = random_process(T=50, sizes=())
    for out in passes(process, random_rows(process), [3, 20, 50], clip_x0=True):
        sources = range(1, out.t)
        snr = [process.schedule.at(s) / (1 - process.schedule.at(s)) for s in sources]
        end = process.schedule.at(out.t) / (1 - process.schedule.at(out.t))
        expected = [0.5 * (value - end) * float(out.moment.sum()) for value in snr]
        assert numeric_steps(process, out, sources, "small").tolist() == pytest.approx(expected, rel=1e-10)


def test_analytic_variance_is_the_best_constant_one() -> None:
    process = random_process(T=50, sizes=())
    for out in passes(process, random_rows(process), [5, 30], clip_x0=True):
        sources = range(1, out.t)
        best = numeric_steps(process, out, sources, "analytic")
        for other in ("large", "small"):
            assert (best <= numeric_steps(process, out, sources, other) + 1e-12).all()  # type: ignore[arg-type]


def test_one_column_with_the_exact_head_reaches_the_mutual_information() -> None:
    """Sum of L over any path is H(c_0) - I(c_0; c_T) when abar_T is well above 0."""
    beta = torch.linspace(0.02, 0.25, 8, dtype=F64)
    schedule = Schedule(torch.cat([torch.ones(1, dtype=F64), torch.cumprod(1 - beta, 0)]))
    p = torch.tensor([0.5, 0.3, 0.15, 0.05], dtype=F64)
    a_T = schedule.at(8)
    joint = p.unsqueeze(1) * (a_T * torch.eye(4, dtype=F64) + (1 - a_T) / 4)
    information = float((joint * (joint / (p.unsqueeze(1) * joint.sum(0))).log()).sum())
    entropy = float(-(p * p.log()).sum())
    classes = torch.cartesian_prod(torch.arange(4), torch.arange(4))
    c_0, c_t = classes[:, :1], classes[:, 1:]
    log_pi = p.log().expand(16, 1, 4)  # leave-one-out of a single column is its marginal
    for path in ((8, 0), (8, 1, 0), (8, 5, 2, 0), tuple(range(8, -1, -1))):
        total = 0.0
        for t, s in pairwise(path):
            a_t, a_s = (schedule.alpha_bar[u].reshape(1, 1) for u in (t, s))
            weight = p[c_0[:, 0]] * (a_t * torch.eye(4, dtype=F64) + (1 - a_t) / 4)[c_0[:, 0], c_t[:, 0]]
            total += float((weight * multinomial.kl_step(log_pi, c_0, c_t, a_t, a_s)[:, 0]).sum())
        assert total == pytest.approx(entropy - information, abs=1e-9)


def test_steps_never_hurt_with_the_exact_head() -> None:
    world = TwoColumns(make("cosine", 9), TwoColumns.dependent(9).P)
    cost = exact_table(world)
    prior = 2 * multinomial.prior_kl(world.schedule.at(9), 4)
    value = {
        kept: float(sum(cost[s, t] for t, s in pairwise((9, *sorted(kept, reverse=True), 0)))) + prior
        for k in range(9)
        for kept in combinations(range(1, 9), k)
    }
    for kept, one in value.items():
        for extra in set(range(1, 9)) - set(kept):
            assert value[tuple(sorted((*kept, extra)))] <= one + 1e-12
    marginal = world.P.sum(1)
    # From pure noise a single step can only draw the columns independently.
    assert value[()] == pytest.approx(float(-2 * (marginal * marginal.log()).sum()), abs=1e-4)


def test_sampled_table_is_near_the_enumerated_one() -> None:
    world = TwoColumns(make("cosine", 9), TwoColumns.dependent(9).P)
    rng = np.random.default_rng(0)
    pair = rng.choice(16, size=20_000, p=world.P.reshape(-1).numpy())
    c = torch.from_numpy(np.stack([pair // 4, pair % 4], 1))
    held = State(torch.empty(len(c), 0, dtype=F64), c, None)
    found = table(world.process(), held, range(10), "analytic").categorical
    above = torch.ones(10, 10).triu(1).bool()
    gap = (found - exact_table(world))[above].abs()
    assert float(gap.mean()) < 0.01
    assert float(gap.max()) < 0.03


def test_moments_agree_with_the_closed_form() -> None:
    """For the ideal network: measured error = the score form of Analytic-DPM = the posterior variance."""
    schedule = make("cosine", 1000)
    w = torch.tensor([1.0, 0.25, 0.01], dtype=F64)
    world = LatentClass(schedule, torch.ones(1, dtype=F64), torch.zeros(1, 3, dtype=F64), w.sqrt(), ())
    setting = world.setting(20_000, bound=1e9)
    held = setting.rows(20_000)
    for out in passes(setting.process, held, [50, 300, 700], clip_x0=False):
        a = schedule.at(out.t)
        exact = w * (1 - a) / (a * w + 1 - a)
        assert out.moment.tolist() == pytest.approx(exact.tolist(), rel=0.03)
        g = torch.Generator().manual_seed(5)
        x_t = gaussian.diffuse(held.x, torch.tensor(a), torch.randn(held.x.shape, generator=g, dtype=F64))
        gamma = world(x_t, held.c, out.t, None)[0].square().mean(0)
        if out.t <= 300:  # nearer to the noise 1 - gamma is a small difference of large numbers
            assert ((1 - a) / a * (1 - gamma)).tolist() == pytest.approx(exact.tolist(), rel=0.03)


def test_the_papers_analytic_variance_is_its_theorem() -> None:
    """lambda^2 + (sqrt(beta_bar_t / alpha) - sqrt(beta_bar_s - lambda^2))^2 (1 - beta_bar_t Gamma), lambda^2 small."""
    schedule, process = make("cosine", 100), random_process()
    eps_hat = 0.8 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=F64)
    for t, s in ((2, 1), (50, 49), (90, 10)):
        a_t, a_s = schedule.at(t), schedule.at(s)
        p = gaussian.posterior(a_t, a_s)
        gamma = float((eps_hat / math.sqrt(1 - a_t)).square().sum(1).mean()) / 3
        root = math.sqrt((1 - a_t) / (a_t / a_s)) - math.sqrt(1 - a_s - p.small)
        theorem = p.small + root**2 * (1 - (1 - a_t) * gamma)
        given = gaussian.variance_of_x0(eps_hat, a_t)
        assert float(nelbo.step_variance(process, p, "score", given, eps_hat)) == pytest.approx(
            theorem, rel=1e-9
        )


def test_the_papers_analytic_variance_knows_the_noise_alone() -> None:
    """With the ideal network of columns that are alike it is the posterior's; with another it is not the error."""
    schedule, w = make("cosine", 1000), 0.25
    world = LatentClass(
        schedule,
        torch.ones(1, dtype=F64),
        torch.zeros(1, 3, dtype=F64),
        torch.full((3,), w**0.5, dtype=F64),
        (),
    )
    setting = world.setting(20_000, bound=1e9)
    held = setting.rows(20_000)

    def silent(x: Tensor, c: Tensor, t: int | Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x), x.new_empty(len(x), 0)

    for t in (50, 300):
        a = schedule.at(t)
        (out,) = passes(setting.process, held, [t], clip_x0=False)
        assert out.given.tolist() == pytest.approx([w * (1 - a) / (a * w + 1 - a)] * 3, rel=0.03)
        (out,) = passes(replace(setting.process, denoiser=silent), held, [t], clip_x0=False)
        assert out.given.tolist() == pytest.approx([(1 - a) / a] * 3)
        near = torch.full((3,), 0.1, dtype=F64)
        close = replace(setting.process, denoiser=silent, x_min=-near, x_max=near)
        (out,) = passes(close, held, [t], clip_x0=False)
        assert out.given.tolist() == pytest.approx([min((1 - a) / a, 0.01)] * 3)


# The search


@pytest.mark.parametrize("T", [9, 12])
@pytest.mark.parametrize("kind", ["random", "numeric", "categorical"])
def test_search_finds_what_brute_force_finds(T: int, kind: str) -> None:
    if kind == "random":
        g = torch.Generator().manual_seed(T)
        cost = torch.rand(T + 1, T + 1, generator=g, dtype=F64)
    else:
        process = random_process(T)
        parts = table(process, random_rows(process), range(T + 1), "analytic")
        cost = getattr(parts, kind)
    found = shortest(cost, T)
    for K in range(1, T + 1):
        value = {
            (T, *sorted(kept, reverse=True), 0): float(
                sum(cost[s, t] for t, s in pairwise((T, *sorted(kept, reverse=True), 0)))
            )
            for kept in combinations(range(1, T), K - 1)
        }
        best = min(value, key=value.__getitem__)
        assert found.path(K) == best
        assert float(found.cost[K, T]) == pytest.approx(value[best], abs=1e-12)


def test_search_refuses_what_it_cannot_do() -> None:
    with pytest.raises(ValueError, match="not a number"):
        shortest(torch.full((3, 3), math.nan), 1)
    with pytest.raises(ValueError, match=r"1\.\.2, got 3"):
        shortest(torch.zeros(3, 3), 3)


@pytest.mark.whole
@pytest.mark.parametrize("variance", [v for v in VARIANCES if v not in PRICED_AS])
def test_dp_grid_is_never_worse_than_even_ones_on_its_own_table(variance: Variance) -> None:
    from tabstep.samplers.grid import linspace, quad, trailing

    process = random_process(T=30)
    setting = Setting(process, held=random_rows(process), variance=variance)
    for K in (1, 3, 15, 30):
        best = sum(nelbo.nelbo(process, setting.rows(), DP()(setting, K), variance))
        for other in (linspace, trailing, quad):
            assert best <= sum(nelbo.nelbo(process, setting.rows(), other(setting, K), variance)) + 1e-9


def test_dp_costs_one_call_a_time_once(tmp_path: Any) -> None:
    process = random_process(T=30)
    counter = Counted(process.denoiser)
    setting = Setting(
        replace(process, denoiser=counter), held=random_rows(process, 8), artifacts=Artifacts(tmp_path)
    )
    first = DP()(setting, 5)
    assert counter.rows == 8 * 30
    again = replace(setting, artifacts=Artifacts(tmp_path))
    assert DP()(again, 5) == first
    assert counter.rows == 8 * 30, "the table was read, not made again"
    assert again.artifacts.borrowed_s > 0, "and its price is not forgotten"
    assert setting.artifacts.borrowed_s == 0
    DP()(replace(setting, variance="large"), 5)
    assert counter.rows == 2 * 8 * 30, "another variance has a table of its own"


def test_dp_candidates() -> None:
    assert DP(candidates=4).times(20, 2) == [0, 1, 5, 10, 15, 20]
    assert DP(candidates=4).times(20, 9) == list(range(21))
    assert DP(candidates=0).times(7, 2) == list(range(8))
    assert len(DP().times(1000, 5)) == 202
    process = random_process(T=40)
    setting = Setting(process, held=random_rows(process))
    assert set(DP(candidates=8)(setting, 3)) <= {0, 1, *range(5, 41, 5)}
    assert DP()(setting, 40) == tuple(range(40, -1, -1))
    with pytest.raises(ValueError, match=r"1\.\.40, got 41"):
        DP()(setting, 41)


def test_weights_choose_the_kind_that_counts() -> None:
    process = random_process(T=30)
    setting = Setting(process, held=random_rows(process))
    parts = {}
    for name, grid in (("numeric", DP(weight_cat=0.0)), ("categorical", DP(weight_num=0.0))):
        parts[name] = nelbo.nelbo(process, setting.rows(), grid(setting, 4), "analytic")
    assert parts["numeric"].numeric < parts["categorical"].numeric
    assert parts["categorical"].categorical < parts["numeric"].categorical


@pytest.mark.parametrize("world", [mixed_table(60)], ids=["mixed"])
def test_dp_spends_its_steps_better_on_a_known_world(world: LatentClass) -> None:
    """On fresh rows, not those of the search: the margin over even steps stays."""
    from tabstep.samplers.grid import linspace, trailing

    setting = world.setting(2000)
    x, c = world.rows(4000, seed=5)
    fresh = State(torch.from_numpy(x), torch.from_numpy(c), None)
    for K in (4, 8):
        chosen = sum(nelbo.nelbo(setting.process, fresh, DP()(setting, K), "analytic", seed=7))
        for other in (linspace, trailing):
            assert (
                chosen
                < sum(nelbo.nelbo(setting.process, fresh, other(setting, K), "analytic", seed=7)) + 0.02
            )


def test_the_last_step_is_priced_by_the_variance_of_all_others() -> None:
    """-log N(x_0; x0_hat, v) by scipy, v = beta_{t|0} for "large", that of the step 2 -> 1 for "small"."""
    process = random_process()
    held = random_rows(process)
    at = process.schedule.at
    for out in passes(process, held, [1, 5, 12], clip_x0=True):
        small = (1 - at(2) / at(1)) * (1 - at(1)) / (1 - at(2))
        large = 1 - at(out.t)
        own: dict[Variance, Tensor] = {
            "large": torch.full_like(out.error, large),
            "small": torch.full_like(out.error, small),
            "learned": large**out.fraction * small ** (1 - out.fraction),
            "analytic": out.moment.clamp(min=small).expand_as(out.error),
            "score": (small + out.given).expand_as(out.error),
        }
        for variance, v in own.items():
            expected = -norm.logpdf(out.error.sqrt(), 0, v.sqrt()).sum(1).mean()
            assert float(numeric_steps(process, out, [0], variance)[0]) == pytest.approx(expected, rel=1e-10)


def kolmogorov_smirnov(world: LatentClass, x: Tensor) -> float:
    """Mean over columns of the largest distance between the empirical and the exact distribution function."""
    found = []
    for j, column in enumerate(x.T.numpy()):
        law = [norm(float(m), float(world.s[j])) for m in world.mu[:, j]]
        found.append(
            kstest(
                column,
                lambda v, law=law: sum(w * p.cdf(v) for w, p in zip(world.w.tolist(), law, strict=True)),
            ).statistic
        )
    return float(np.mean(found))


@pytest.mark.parametrize(("K", "bar"), [(5, 0.06), (10, 0.045)])
def test_ancestral_on_its_own_grid_reaches_the_rows(K: int, bar: float) -> None:
    """Priced by a measured last step it stopped far from the rows, and was at .099 and .108 whatever K."""
    world = mixed_table()
    world = replace(world, s=world.s / 2)
    setting = world.setting(512).seen_by(Ancestral())
    path = DP(candidates=50)(setting, K)
    rows = Ancestral().prepare(setting, path)(setting.process.noise(1, 0, 4000), None)
    assert kolmogorov_smirnov(world, rows.x) < bar


def test_the_smallest_variance_is_walked_on_the_grid_of_the_largest() -> None:
    """On the grid of its own bound it is at .21 at K = 5, on this one at .14, on even steps at .12."""
    world = mixed_table()
    world = replace(world, s=world.s / 2)
    setting = world.setting(512)
    path = DP(candidates=50)(setting.seen_by(Ancestral(variance="small")), 5)
    assert path == DP(candidates=50)(setting.seen_by(Ancestral()), 5)
    rows = Ancestral(variance="small").prepare(setting, path)(setting.process.noise(1, 0, 4000), None)
    assert kolmogorov_smirnov(world, rows.x) < 0.17


def test_the_bound_of_a_path_that_begins_early_has_the_prior_of_that_time() -> None:
    """The same as the bound of the process that ends there, and larger than the one that counts the prior of T."""
    process = random_process()
    held = random_rows(process)
    path = (7, 3, 1, 0)
    found = nelbo.nelbo(process, held, path, "large")
    stopped = nelbo.nelbo(process.until(7), held, path, "large")
    assert tuple(map(float, found)) == pytest.approx(tuple(map(float, stopped)), rel=1e-12)
    prior = nelbo.prior(process, held)
    assert float(nelbo.prior(process, held, 7).numeric) > float(prior.numeric)
