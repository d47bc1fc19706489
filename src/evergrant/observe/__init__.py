"""
What the operator sees: log lines and metrics, with no secret in either.

Rules of residence: `log` sets up logging for a whole process, `redaction` takes secrets out of whatever is written,
`sampling` keeps refusals and ordinary requests from flooding the log, `metrics` counts, `cells` keeps the counts and
`exposition` spells them for Prometheus. Nothing here decides, and nothing here is needed for an answer: a metric that
cannot be kept is not a reason to refuse a refresh. The audit trail is not here: it is written by `store` in the
transaction that it tells about.
"""
