"""Optuna studies of methods, samplers and evaluators, on validation rows alone.

Only the command line imports from here. Begin with `studies.py`.
"""
