"""Studies: the whole job over a grid of settings, from a YAML file to figures and a page.

`definition` says what is asked for, `stages` what each cell runs, `scheduler` runs it, `estimate`
says how long it takes, `measures` reads the figures off the audits, and :mod:`llmsafe.report.study`
compares and shows them. Studies drive the verbs of the command line, so they lie on top of
everything.
"""
