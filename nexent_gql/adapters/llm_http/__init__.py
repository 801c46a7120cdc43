"""What all dialects of model providers share over HTTP.

`models` sends a request and reads its answer. `answer` drives a dialect's decoder over the frames that `sse` and
`reply` cut. `limits` watches the time, `errors` and `transport` classify what goes wrong, and `quirks` stores what
an endpoint refuses. `thinking`, `stop` and `text` clean the text. A dialect implements `dialect.Dialect`.
"""
