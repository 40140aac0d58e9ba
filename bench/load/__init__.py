"""Can Prefect's own side carry a day's videos, and where is the limit? Real servers, workers and flows.

__main__  the command: options, the modes one after the other, the report
servers   PostgreSQL, Redis and Prefect's processes, split or as one, with production's settings
fleet     the deployment, the workers, and the polls of the workers that this machine has no room for
stub      rendering that takes a known time and no CPU
flows     the real flows over the stub: what the workers start
load      the two loads: at a day's rate, and as fast as it goes
probe     what is watched meanwhile: latency of the API, memory
measure   CPU seconds, the database's and Redis' own figures
counts    what there is at one moment, and what went wrong between two
results   the figures as data
report    the figures as a table, and as a section of docs/capacity.md
"""
