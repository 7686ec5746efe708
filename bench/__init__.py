"""tabstep: tabular diffusion and its accelerated samplers, scored per step budget."""
