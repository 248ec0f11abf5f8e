"""Simulated REST services that misbehave on request, and `seawall demo` over them.

faults.py    what goes wrong, and when: a pure switchboard
traffic.py   what a downstream has seen
server.py    any downstream as an HTTP server and a process
records.py   a table of JSON records
fields.py    what they read from a request, and say of mistakes
panel.py     the state and routes of `panel.v1`; providers.py, dashboard.py, auth.py and
             settings.py are its parts, panel.yaml says who may see the settings
cloud.py     those of `cloud.v1`
commerce.py  those of `commerce.v1`
deploy.py    those of both services of `deploy.v1`
market.py    those of `market.v1`; third_parties.py has the APIs that it buys from
run.py       `seawall demo`: a downstream's process and a gateway over it

Another system is a module beside panel.py. Nothing outside this package knows it
but the command line.
"""
