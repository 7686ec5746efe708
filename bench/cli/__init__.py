"""The command line: options in, calls into the other wings, tables out.

Nothing imports from here. Begin with `app.py`; heavy imports stand inside the commands.
"""
