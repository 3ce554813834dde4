"""
Grids of plans: models x cards x engines x spreads x dtypes x contexts x batches, answered as arrays.

Each structure (all but the numbers of the work) is planned once, by the planner; numbers are arrays of
numpy, in which every point equals what `fit` answers to it. What cannot be planned stays, with its reason.
"""
