"""A simulated day of the fleet, driven by the very code that decides in production.

inputs    what the simulation assumes, and what of it was measured
arrivals  when the jobs of a day come
world     machines that start, render, are taken away and run out, as SimPy processes
control   who says how many machines there are: the product's policies, or a plan
oracle    the best that any schedule could do which knows the day beforehand
outcome   what came of a day, in figures
capacity  from which throughput on a day fits into the fleet
runs      all simulated days of one report
plots     the figures as pictures
verdicts  the answers in plain sentences
report    the figures as tables, and as a section of docs/capacity.md; assumptions: its last table
"""
