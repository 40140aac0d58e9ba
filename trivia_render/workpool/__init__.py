"""Prefect's side of a fleet: flow runs, workers, and what becomes of both when a machine goes.

The one room of the library that knows Prefect. What a job is and may do, `pipeline` says.
"""
