"""The colours of figures: one hue a sampler or method, the same in every figure."""

from __future__ import annotations

from hashlib import sha256

from matplotlib.colors import to_hex, to_rgb
from matplotlib.patheffects import withStroke

from tabstep.report.numbers.table import CEILING

# One hue a sampler, the same in every figure: Okabe and Ito's colours, which colour-blind eyes tell apart,
# and darker ones beside them. A name that is not here takes one of `SPARE` by its hash: add it to choose.
HUES = {
    "ancestral": "#000000",
    "ddim": "#0072B2",
    "dpmpp_2m": "#D55E00",
    "dpmpp_2m_sde": "#E69F00",
    "unipc_2": "#009E73",
    "analytic": "#56B4E9",
    "learned": "#117733",
    "ddss": "#AA4499",
    "ggdm": "#882255",
    "ddss_critic": "#CC79A7",
    "adasde": "#6699CC",
    "tied_dpmpp_2m_sde": "#661100",
    "mixture_tied_dpmpp_2m_sde": "#44AA99",
    "deq": "#999933",
    "free_dpmpp_2m_sde": "#3355BB",
    "mixture_dpmpp_2m_sde": "#22AA55",
    "mixture_unipc_2": "#DD9911",
    "correlated_dpmpp_2m_sde": "#117799",
    "distilled": "#BB2255",
    "distilled_correlated": "#CC4477",
    "distilled_mixture": "#DD6688",
    "refined": "#771144",
    "ancestral_small": "#8C6D46",
    "ancestral_unclipped": "#332288",
}
BASELINES = {
    "smote": "#EE8866",
    "copula": "#AAAA00",
    "vae": "#FFAABB",
    "tvae": "#BBCC33",
    "ctgan": "#77AADD",
    "copulagan": "#44BB99",
    "marginals": "#555555",
    "mixture": "#999933",
    "bootstrap": "#222222",
    "holdout": "#222222",
    CEILING: "#000000",
}
SPARE = ("#DDCC77", "#AA4466", "#777777")
TINTS = {"tabddpm": 0.0, "iddpm": 0.4}  # part of white in the hue of a sampler; dashed where not 0
MARKERS = {"linspace": "o", "trailing": "s", "quad": "^", "logsnr": "D", "": "P"}
GRIDS = {
    "trailing": "#000000",
    "linspace": "#0072B2",
    "quad": "#D55E00",
    "logsnr": "#CC79A7",
    "dp": "#009E73",
}
GREY = "#6B6B6B"
HALO = withStroke(linewidth=2.2, foreground="white")  # keeps text legible on lines


def colour(method: str, sampler: str) -> str:
    """Hex colour of a method with a sampler, which is "" for one without steps: depends on the two names alone."""
    if not sampler:
        return BASELINES.get(method) or SPARE[sha256(method.encode()).digest()[0] % len(SPARE)]
    name = sampler.replace("-", "_")
    hue = HUES.get(name) or SPARE[sha256(name.encode()).digest()[0] % len(SPARE)]
    white = tint(method)
    red, green, blue = ((1 - white) * channel + white for channel in to_rgb(hue))
    return to_hex((red, green, blue))


def tint(method: str) -> float:
    """Part of white in the hue of a sampler of this method."""
    return TINTS.get(method, 0.25)
