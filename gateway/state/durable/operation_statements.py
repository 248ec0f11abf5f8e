"""The statements of operations, made once. Parameters begin with `b_`."""

from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, case, delete, exists, func, null, select, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.state.durable.moment import NOW
from gateway.state.durable.schema.operations import OPEN_OPERATIONS, RUNNING_OPERATIONS
from gateway.state.durable.schema.operations import operations as _o
from gateway.state.operations import NEVER, OPEN, State

_id: BindParameter[Any] = bindparam("b_id")
_token: BindParameter[Any] = bindparam("b_token")
_OPEN: Final = [state.value for state in OPEN]
_ENDED: Final = [state.value for state in State if state not in OPEN]
_order: BindParameter[Any] = bindparam("b_order_key")
DELETED: Final = b""
"""The owner of what was deleted and whose key still stands."""

KEPT: Final = (
    _o.c.number,
    _o.c.id,
    _o.c.method,
    _o.c.state,
    _o.c.attempts,
    _o.c.accepted_at,
    _o.c.changed_at,
    _o.c.due_at,
    _o.c.expires_at,
    _o.c.progress,
    _o.c.last_error,
    _o.c.answer,
    _o.c.cancelling,
)
"""The columns of `Kept`, in its order."""

_ACCEPTED = {
    "id": _id,
    "method": bindparam("b_method"),
    "owner": bindparam("b_owner"),
    "state": State.WAITING.value,
    "token": 0,
    "attempts": 0,
    "due_at": case(
        (exists().where(_o.c.order_key == _order, _o.c.state.in_(_OPEN)), NEVER),
        else_=NOW + bindparam("b_not_before_s"),
    ),
    "accepted_at": NOW,
    "changed_at": NOW,
    "expires_at": NEVER,
    "key_digest": bindparam("b_key"),
    "key_until": NOW + bindparam("b_key_held_s"),
    "key_stays": bindparam("b_key_stays"),
    "fingerprint": bindparam("b_fingerprint"),
    "order_key": _order,
    "cancelling": False,
    "header_key": bindparam("b_header_key"),
    "request": bindparam("b_request"),
    "metadata": bindparam("b_metadata"),
    "progress": b"",
    "last_error": bindparam("b_last_error"),
    "answer": b"",
}
INSERT: Final = {
    "sqlite": sqlite.insert(_o).values(**_ACCEPTED).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(_o).values(**_ACCEPTED).on_conflict_do_nothing(),
}
RELEASE_KEY: Final = (
    update(_o)
    .where(
        _o.c.key_digest == bindparam("b_key"),
        _o.c.key_until <= NOW,
        ~_o.c.key_stays | _o.c.state.in_(_ENDED),
    )
    .values(key_digest=null())
)
BY_KEY: Final = select(*KEPT, _o.c.fingerprint).where(_o.c.key_digest == bindparam("b_key"))
ORDER_BY_KEY: Final = select(_o.c.order_key).where(_o.c.key_digest == bindparam("b_key"))
BY_ID: Final = select(*KEPT, _o.c.owner, _o.c.token).where(_o.c.id == _id)
FOUND: Final = BY_ID.where(_o.c.expires_at > NOW)
"""What has expired is found by nobody, though it is there until it is swept."""
HOLD: Final = FOUND.with_for_update()
PENDING: Final = select(func.count()).select_from(
    select(_o.c.method)
    .where(_o.c.method == bindparam("b_method"), OPEN_OPERATIONS)
    .limit(bindparam("b_limit"))
    .subquery()
)
WAITS: Final = select(_o.c.id).where(_o.c.order_key == _order, OPEN_OPERATIONS)
ORDER: Final = select(_o.c.order_key).where(_o.c.id == _id)
_other = _o.alias("other")
_runs = exists().where(_other.c.order_key == _o.c.order_key, _other.c.state == State.RUNNING.value)
"""Whether one of the order key is being made."""
LET_NEXT: Final = (
    update(_o)
    .where(
        _o.c.number
        == select(func.min(_o.c.number))
        .where(_o.c.order_key == _order, OPEN_OPERATIONS)
        .scalar_subquery(),
        _o.c.state == State.WAITING.value,
        _o.c.due_at >= NEVER / 2,
        ~_runs,
    )
    .values(due_at=NOW)
)
"""The next of an order key is due; asked where one of it does not run any more."""
_KEY_UNTIL: Final = case(
    (_o.c.key_stays, NOW + (_o.c.key_until - _o.c.accepted_at)), else_=_o.c.key_until
)
_RETAINED_UNTIL: Final = NOW + bindparam("b_retention_s")
_ENDS: Final = {
    "changed_at": NOW,
    "answer": bindparam("b_answer"),
    "key_until": _KEY_UNTIL,
    "expires_at": case(
        (_o.c.key_digest.is_not(None) & (_KEY_UNTIL > _RETAINED_UNTIL), _KEY_UNTIL),
        else_=_RETAINED_UNTIL,
    ),
}
"""What every end says; a row is there as long as its key stands."""

_earlier = _o.alias("earlier")
_WORK = (
    _o.c.request,
    _o.c.metadata,
    _o.c.header_key,
    _o.c.owner,
    _o.c.order_key,
    (NOW - _o.c.accepted_at).label("age_s"),
)
DUE: Final = (
    select(*KEPT, *_WORK)
    .where(
        OPEN_OPERATIONS,
        # Asked once, not of each row: else no index on due_at can be used. Nor is the one on
        # method to be: as good as all that are open have one of these.
        _o.c.due_at <= select(NOW).scalar_subquery(),
        _o.c.method.concat("").in_(bindparam("b_methods", expanding=True)),
        _o.c.id.not_in(bindparam("b_running", expanding=True)),
        _o.c.order_key.is_(None)
        | (_o.c.state == State.RUNNING.value)  # it was begun: before it are those tried again
        | ~exists().where(
            _earlier.c.order_key == _o.c.order_key,
            _earlier.c.number < _o.c.number,
            _earlier.c.state.in_(_OPEN),
        ),
    )
    .order_by(_o.c.due_at, _o.c.number)
    .limit(bindparam("b_limit"))
    .with_for_update(of=_o, skip_locked=True)
)
IN_THE_WAY: Final = select(_o.c.number).where(
    _o.c.order_key == _order,
    _o.c.number != bindparam("b_number"),
    (_o.c.state == State.RUNNING.value)
    | ((_o.c.number < bindparam("b_before")) & (_o.c.state == State.WAITING.value)),
)
"""What of an order key is made, or goes before an operation that waits."""
_claimed_by = _o.c.token.in_(bindparam("b_tokens", expanding=True)) & RUNNING_OPERATIONS
PROLONG: Final = update(_o).where(_claimed_by).values(due_at=NOW + bindparam("b_lease_s"))
CLAIMED: Final = select(*KEPT, *_WORK, _o.c.token).where(_claimed_by)
CLAIM: Final = (
    update(_o)
    .where(_o.c.number == bindparam("b_number"))
    .values(
        state=State.RUNNING.value,
        token=_token,
        attempts=_o.c.attempts + 1,
        due_at=NOW + bindparam("b_lease_s"),
        changed_at=NOW,
    )
)
_mine = (_o.c.id == _id) & (_o.c.token == _token) & (_o.c.state == State.RUNNING.value)
RENEW: Final = update(_o).where(_mine).values(due_at=NOW + bindparam("b_lease_s"))
NOTE: Final = update(_o).where(_mine).values(progress=bindparam("b_progress"), changed_at=NOW)
DEFER: Final = (
    update(_o)
    .where(_mine)
    .values(
        state=State.WAITING.value,
        attempts=_o.c.attempts - bindparam("b_uncounted"),
        due_at=case((_o.c.cancelling, NOW), else_=NOW + bindparam("b_due_in_s")),
        changed_at=NOW,
        progress=bindparam("b_progress"),
        last_error=bindparam("b_last_error"),
    )
)
END: Final = update(_o).where(_mine).values(state=bindparam("b_state"), **_ENDS)
FIND: Final = (
    select(*KEPT)
    .where(_o.c.expires_at > NOW)
    .order_by(_o.c.number.desc())
    .limit(bindparam("b_limit"))
)
BYTES: Final = func.length(_o.c.answer) + func.length(_o.c.progress) + func.length(_o.c.last_error)
"""What a row of `KEPT` takes, but for a few words."""
CANCEL_WAITING: Final = (
    update(_o)
    .where(_o.c.id == _id, _o.c.state == State.WAITING.value)
    .values(state=State.CANCELLED.value, cancelling=True, **_ENDS)
)
CANCEL_RUNNING: Final = (
    update(_o)
    .where(_o.c.id == _id, _o.c.state == State.RUNNING.value)
    .values(cancelling=True, changed_at=case((_o.c.cancelling, _o.c.changed_at), else_=NOW))
)
HIDE_ENDED: Final = (
    update(_o)
    .where(
        _o.c.id == _id,
        _o.c.state.in_(_ENDED),
        _o.c.key_digest.is_not(None),
        _o.c.key_until > NOW,
    )
    .values(owner=DELETED, expires_at=_o.c.key_until)
)
DELETE_ENDED: Final = delete(_o).where(_o.c.id == _id, _o.c.state.in_(_ENDED))
RETRY: Final = (
    update(_o)
    .where(_o.c.id == _id, _o.c.state == State.DEAD.value, _o.c.owner != DELETED)
    .where(_o.c.expires_at > NOW)
    .values(
        state=State.WAITING.value,
        attempts=0,
        accepted_at=NOW,
        # As long again as at first: since its end for one that stays, else since it was accepted.
        key_until=NOW
        + _o.c.key_until
        - case((_o.c.key_stays, _o.c.changed_at), else_=_o.c.accepted_at),
        due_at=case((_runs, NEVER), else_=NOW),
        changed_at=NOW,
        expires_at=NEVER,
        cancelling=False,
        # What is known of its effect: the error that it ended with.
        last_error=_o.c.answer,
        answer=b"",
    )
)
EXPIRED: Final = (
    select(_o.c.number)
    .where(_o.c.expires_at <= NOW)
    .order_by(_o.c.expires_at)
    .limit(bindparam("b_limit"))
    .with_for_update(skip_locked=True)
)
DELETE: Final = delete(_o).where(_o.c.number.in_(bindparam("b_numbers", expanding=True)))
