"""Results that come from others and go to them: check, score, submit, accept, verify.

Only studies and the command line import from here. Begin with `submission.py`.
"""
