"""Ways to walk a fitted network from noise to rows, and grids of the times where it is asked.

The engine and studies may import from here; the harness knows samplers by `tabstep.registry` alone.
Begin with `ddim.py`.
"""
