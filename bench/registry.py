"""Everything that can be named on the command line: one line adds a competitor, a sampler or a grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from tabstep.data.settings import built
from tabstep.named import Named, made, place

if TYPE_CHECKING:
    from tabstep.contracts import Method
    from tabstep.samplers.setting import Grid, Sampler
    from tabstep.samplers.start import Start

METHODS: Named[type[Any]] = Named(
    {
        "real": place("tabstep.baselines.real:Real"),
        "marginals": place("tabstep.baselines.marginals:Marginals"),
        "bootstrap": place("tabstep.baselines.bootstrap:Bootstrap"),
        "holdout": place("tabstep.baselines.holdout:Holdout"),
        "mixture": place("tabstep.baselines.mixture:MixtureOfProducts"),
        "smote": place("tabstep.baselines.smote:SMOTE"),
        "copula": place("tabstep.baselines.copula:GaussianCopula"),
        "vae": place("tabstep.baselines.vae:VAE"),
        "tvae": place("tabstep.baselines.tvae:TVAE"),
        "ctgan": place("tabstep.baselines.ctgan:CTGAN"),
        "copulagan": place("tabstep.baselines.copulagan:CopulaGAN"),
        "tabddpm": place("tabstep.diffusion.tabddpm:TabDDPM"),
        "iddpm": place("tabstep.diffusion.improved:ImprovedDDPM"),
        "tabddpm-short": place("tabstep.diffusion.short:ShortTabDDPM"),
        "tabstep": place("tabstep.diffusion.tabstep:TabStep"),
    }
)

UNTUNED = frozenset({"real", "marginals", "bootstrap", "holdout"})
"""Methods without anything to tune: `--params tuned` runs them as they are."""


def foreign(method: str, **settings: Any) -> Any:
    """The start that fits a method of the harness, named as `made` does."""
    return made("tabstep.samplers.start:Foreign", method=made(method, **settings))


STARTS: Named[Start] = Named(
    {
        "mixture": made("tabstep.samplers.start:Products"),
        "correlated": made("tabstep.samplers.start:Gaussians"),
        "moments": made("tabstep.samplers.start:Moments"),
        "vae": made("tabstep.samplers.start:Conditional"),
        "tvae": foreign("tabstep.baselines.tvae:TVAE"),
        "ctgan": foreign("tabstep.baselines.ctgan:CTGAN"),
        "copula": foreign("tabstep.baselines.copula:GaussianCopula"),
        "smote": foreign("tabstep.baselines.smote:SMOTE"),
    }
)

SWEEP = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""T'/T of which the effect is shown."""

SWEPT = "dpmpp-2m-sde"
"""The update by which it is shown, and by which T' is chosen without a look at the budget."""


def ancestral(**settings: Any) -> Any:
    return made("tabstep.samplers.ancestral:Ancestral", **settings)


def early_stopped(update: str, stops: Iterable[float | None]) -> dict[str, Sampler]:
    """An update from every start: `es-ddim-vae-30` begins at 0.3 T, `es-ddim-vae-mmd` where rows of both pass for one
    law."""
    return {
        f"es-{update}-{start}-" + ("mmd" if stop is None else f"{100 * stop:.0f}"): made(
            "tabstep.samplers.early_stop:EarlyStop", update=FREE[update], start=STARTS.named(start), stop=stop
        )
        for start, stop in product(STARTS, stops)
    }


def budgeted(updates: Iterable[str]) -> dict[str, Sampler]:
    """Every update from every start, at the T' that is best for the budget: `es-ddim-mixture`."""
    return {
        f"es-{name}-{start}": made(
            "tabstep.samplers.budget_stop:BudgetStop", update=FREE[name], start=STARTS.named(start)
        )
        for name, start in product(updates, STARTS)
    }


FREE: dict[str, Sampler] = {
    "ancestral": ancestral(),
    "ddim": made("tabstep.samplers.ddim:DDIM"),
    "dpmpp-2m": made("tabstep.samplers.dpmpp:DPMSolverPP"),
    "dpmpp-2m-sde": made("tabstep.samplers.dpmpp:DPMSolverPP", sde=True),
    "unipc-2": made("tabstep.samplers.unipc:UniPC"),
}
"""Updates whose first step may be taken without the network: `free-ddim`."""

TIED: dict[str, Sampler] = {
    f"tied-{name}": made("tabstep.samplers.tied:Tied", update=FREE[name]) for name in ("ddim", "dpmpp-2m-sde")
}
"""Updates whose steps draw the classes of a row together."""

MIXED = ("ancestral", "ddim", "dpmpp-2m-sde")
"""Updates that may begin at the rows of a start: `es-ddim-smote`, and at a T' that is known, `mixture-ddim`. Those of
`correlated` have numbers that are correlated within a component."""

SAMPLERS: Named[Sampler] = Named(
    {
        "ancestral": ancestral(),
        "ancestral-small": ancestral(variance="small"),
        "ancestral-unclipped": ancestral(clip_x0=False),
        "analytic": ancestral(variance="analytic"),
        "analytic-dpm": ancestral(variance="score"),
        "learned": ancestral(variance="learned"),
        "ddim": made("tabstep.samplers.ddim:DDIM"),
        "dpmpp-2m": made("tabstep.samplers.dpmpp:DPMSolverPP"),
        "dpmpp-2m-sde": made("tabstep.samplers.dpmpp:DPMSolverPP", sde=True),
        "unipc-2": made("tabstep.samplers.unipc:UniPC"),
        "deq": made("tabstep.samplers.deq:DEQ"),
        "deq-eta": made("tabstep.samplers.deq:DEQ", eta=1.0),
        "deq-anderson": made("tabstep.samplers.deq:DEQ", history=2),
        "ddss": made("tabstep.samplers.ddss:DDSS"),
        "ddss-rows": made("tabstep.samplers.ddss:DDSS", features=("rows",)),
        "ggdm": made("tabstep.samplers.ddss:DDSS", learn=("update",)),
        "ggdm-own": made("tabstep.samplers.ddss:DDSS", learn=("update",), marginal="own"),
        "ddss-critic": made("tabstep.samplers.ddss_critic:CriticDDSS"),
        "adasde": made("tabstep.samplers.adasde:AdaSDE"),
        **budgeted(MIXED),
        **early_stopped(SWEPT, [None, *SWEEP]),
        **{f"free-{name}": made("tabstep.samplers.free:FreeFirst", update=u) for name, u in FREE.items()},
        **{
            f"{start}-{name}": made(
                "tabstep.samplers.budget_stop:KnownStop", update=FREE[name], start=STARTS.named(start)
            )
            for start in ("mixture", "correlated")
            for name in MIXED
        },
        **{
            f"{start}-unipc-2": made(
                "tabstep.samplers.budget_stop:SolvedStop", update=FREE["unipc-2"], start=STARTS.named(start)
            )
            for start in ("mixture", "correlated")
        },
        **TIED,
        **{
            f"mixture-{name}": made(
                "tabstep.samplers.budget_stop:KnownStop", update=update, start=STARTS.named("mixture")
            )
            for name, update in TIED.items()
        },
        "distilled": made("tabstep.samplers.distilled:Distilled"),
        "refined": made("tabstep.samplers.refined:Refined"),
        **{
            f"distilled-{start}": made("tabstep.samplers.distilled:Distilled", starts=(STARTS.named(start),))
            for start in ("mixture", "correlated")
        },
    }
)

DEFAULT_SAMPLER = "mixture-dpmpp-2m-sde"
"""What a user gets who names none, but for what follows: `dpmpp-2m-sde` from the noised rows of a mixture of products.
See the study of few steps."""

EARLIER_SAMPLER = "mixture-unipc-2"
FEW_EVALUATIONS = range(3, 8)
POOR_START = 0.7
"""At so few evaluations this sampler draws instead where trees tell the rows of the mixture alone from real ones with a
larger area under the curve: there is more to mend than the default does in so few steps, and this one begins earlier in
noise and adds none. See the same study."""

GRIDS: Named[Grid] = Named(
    {
        "linspace": place("tabstep.samplers.grid:linspace"),
        "trailing": place("tabstep.samplers.grid:trailing"),
        "quad": place("tabstep.samplers.grid:quad"),
        "logsnr": place("tabstep.samplers.grid:logsnr"),
        "leading": place("tabstep.samplers.grid:leading"),
        "quad-ddim": place("tabstep.samplers.grid:quad_ddim"),
        "karras": made("tabstep.samplers.grid:Karras"),
        "dp": made("tabstep.samplers.dp:DP"),
        "measured": made("tabstep.samplers.measured:Measured"),
    }
)


def walks(kind: type[Any]) -> bool:
    """Whether a method's fit is a denoiser, to be crossed with samplers and step budgets: it says its `last` step."""
    return hasattr(kind, "last")


def make_method(kind: type[Any], settings: Mapping[str, Any]) -> Method:
    """A method with some fields set. Raises ValueError on a field that does not exist, and a value of another type."""
    method: Method = built(kind, settings)
    return method
