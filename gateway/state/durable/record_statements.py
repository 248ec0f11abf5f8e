"""The statements of records, made once: every change as `TRANSITIONS` has it, in SQL.

Parameters begin with `b_`, so that none is taken for a column.
"""

from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, case, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.state.durable.moment import NOW
from gateway.state.durable.schema.records import records as _r
from gateway.state.records import AFTER_LEASE, LEASED, TRANSITIONS, Change, State, sources

_digest: BindParameter[Any] = bindparam("b_digest")
_token: BindParameter[Any] = bindparam("b_token")
_lease_until = NOW + bindparam("b_lease_s")
_CLAIMED = {
    "method": bindparam("b_method"),
    "fingerprint": bindparam("b_fingerprint"),
    "state": State.CLAIMED.value,
    "token": _token,
    "claims": 1,
    "lease_until": _lease_until,
    "began_at": NOW,
    "changed_at": NOW,
    "expires_at": NOW + bindparam("b_kept_s"),
    "answer": None,
}
INSERT: Final = {
    "sqlite": sqlite.insert(_r).values(digest=_digest, **_CLAIMED).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(_r).values(digest=_digest, **_CLAIMED).on_conflict_do_nothing(),
}
_leased = _r.c.state.in_([state.value for state in LEASED])
RUNS: Final = _leased & (_r.c.lease_until > NOW)
_mine = (_r.c.digest == _digest) & (_r.c.token == _token)
LOOK: Final = select(
    _r.c.state,
    _r.c.fingerprint,
    _r.c.token,
    _r.c.answer,
    (_r.c.lease_until - NOW).label("lease_s"),
    (_r.c.expires_at - NOW).label("kept_s"),
).where(_r.c.digest == _digest)
HOLD: Final = LOOK.with_for_update()
REPLACE: Final = update(_r).where(_r.c.digest == _digest).values(**_CLAIMED)
HOLDER: Final = select(_r.c.state, _r.c.token).where(_r.c.digest == _digest)


def _from(change: Change) -> Any:
    """Return the condition that a change is possible, in the words of SQL."""
    possible = _r.c.state.in_([state.value for state in sources(change)])
    return possible & ~RUNS if change in AFTER_LEASE else possible


def _by_target(change: Change) -> dict[State, list[str]]:
    found: dict[State, list[str]] = {}
    for (before, by), after in TRANSITIONS.items():
        if by is change:
            found.setdefault(after, []).append(before.value)
    return found


def _moves(change: Change, where: Any, **values: Any) -> list[Any]:
    """Return the statements of a change, one for each state it may lead to."""
    statements: list[Any] = []
    for after, befores in _by_target(change).items():
        condition = where & _r.c.state.in_(befores)
        if change in AFTER_LEASE:
            condition = condition & ~RUNS
        if after is State.ABSENT:
            statements.append(delete(_r).where(condition))
        else:
            said = {"state": after.value, "changed_at": NOW, **values}
            statements.append(update(_r).where(condition).values(**said))
    return statements


_by_digest = _r.c.digest == _digest
RENEW: Final = update(_r).where(_mine & _from(Change.RENEW)).values(lease_until=_lease_until)
COMPLETE: Final = _moves(Change.COMPLETE, _mine, answer=bindparam("b_answer"))
FORGET: Final = _moves(Change.FORGET, _mine)
GIVE_UP: Final = _moves(Change.GIVE_UP, _mine)
RECLAIM: Final = _moves(
    Change.RECLAIM,
    _mine & (_r.c.expires_at > NOW),
    token=bindparam("b_next"),
    claims=_r.c.claims + 1,
    lease_until=_lease_until,
    expires_at=case((_r.c.expires_at > _lease_until, _r.c.expires_at), else_=_lease_until),
)
RESOLVE_DONE: Final = _moves(
    Change.RESOLVE_DONE,
    _by_digest & (_r.c.expires_at > NOW),
    token=bindparam("b_next"),
    answer=bindparam("b_answer"),
)
RESOLVE_FORGOTTEN: Final = _moves(Change.RESOLVE_FORGOTTEN, _by_digest & (_r.c.expires_at > NOW))
EXPIRED: Final = (
    select(_r.c.digest)
    .where(_r.c.expires_at <= NOW, _from(Change.EXPIRE))
    .order_by(_r.c.expires_at)
    .limit(bindparam("b_limit"))
    .with_for_update(skip_locked=True)
)
DELETE: Final = delete(_r).where(_r.c.digest.in_(bindparam("b_digests", expanding=True)))
