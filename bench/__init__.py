"""tabstep: tabular diffusion and its accelerated samplers, scored per step budget.

`tabstep.fit(frame)` and `tabstep.load(folder)` give a `Synthesizer`, a fit of a method without steps a `Stepless`;
`tabstep.TabStep` and `tabstep.TabDDPM` hold settings of how to fit.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tabstep.api.advice import advise
    from tabstep.api.fitting import fit, load
    from tabstep.api.stepless import Stepless
    from tabstep.api.synthesizer import Synthesizer
    from tabstep.diffusion.tabddpm import TabDDPM
    from tabstep.diffusion.tabstep import TabStep

    __version__: str

__all__ = ["Stepless", "Synthesizer", "TabDDPM", "TabStep", "__version__", "advise", "fit", "load"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command line answers before torch is loaded."""
    if name == "__version__":
        from importlib.metadata import version

        return version("tabstep")
    if name in ("TabDDPM", "TabStep"):
        from tabstep.diffusion import tabstep

        return getattr(tabstep, name)
    if name == "advise":
        from tabstep.api.advice import advise

        return advise
    if name in __all__:
        from tabstep.api import fitting

        return getattr(fitting, name)
    # With the object Python itself says which name is near.
    raise AttributeError(f"module 'tabstep' has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
