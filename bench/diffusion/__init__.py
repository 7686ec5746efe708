"""The mathematics of training: schedules, both forward processes, networks, losses, bounds, and methods made of them.

Samplers, engine and studies may import from here; this wing imports only `tabstep.data`. Begin with `tabddpm.py`.
"""
