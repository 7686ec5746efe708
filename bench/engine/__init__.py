"""From a suite to finished cells: plan, workers, stages, kept rows, timing.

Tuning, sharing, studies and the command line may import from here. In the order of work: `filters` narrows a suite,
`plan` lays it out in jobs (`job`, `keys`), `run` hands tasks to workers (`executors`, `worker`), and a worker fits
models (`models`) and draws and scores cells (`cells`, `outcomes`).
"""
