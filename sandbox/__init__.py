"""A Databricks workspace in a box: an HTTP server that speaks the Jobs API, with scripted failures.

`python -m sandbox` serves it (`app`, `gate`, `*_routes`), `process` starts it from Python, `control` steers it.
What it holds is in `workspace`, `runs`, `clusters` and `files`; `engine` and `tasks` move it along the timeline of
`clock`, as the scripts of a `scenario` say. `presentation` turns it into the API's JSON.

It knows nothing of Pitstop, and nothing that a scenario says is ever executed.
"""
