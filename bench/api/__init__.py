"""The Python API: fit a diffusion on a table, draw rows, edit rows, save and load.

`tabstep.fit`, `tabstep.load` and `tabstep.Synthesizer` come from here; begin with `fitting.py`.
"""
