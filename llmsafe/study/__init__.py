"""Studies: the whole job over a grid of settings, from a YAML file to figures and a page.

`definition` says what is asked for, `stages` what each cell runs, `scheduler` runs it, `measures`
reads the figures off the audits, `summary` compares them, and :mod:`llmsafe.report.study` shows
them. Studies drive the verbs of the command line, so they lie on top of everything.
"""
