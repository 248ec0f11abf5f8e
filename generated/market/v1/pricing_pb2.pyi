import datetime

from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from seawall.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetCompsRequest(_message.Message):
    __slots__ = ("q", "category", "limit")
    Q_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    q: str
    category: str
    limit: int
    def __init__(self, q: _Optional[str] = ..., category: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("q", "category", "limit")
    Q_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    q: str
    category: str
    limit: int
    def __init__(self, q: _Optional[str] = ..., category: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class GetCompsResponse(_message.Message):
    __slots__ = ("comps",)
    COMPS_FIELD_NUMBER: _ClassVar[int]
    comps: _containers.RepeatedCompositeFieldContainer[Comp]
    def __init__(self, comps: _Optional[_Iterable[_Union[Comp, _Mapping]]] = ...) -> None: ...

class Comp(_message.Message):
    __slots__ = ("title", "price_cents", "currency", "sell_time")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    PRICE_CENTS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SELL_TIME_FIELD_NUMBER: _ClassVar[int]
    title: str
    price_cents: int
    currency: str
    sell_time: _timestamp_pb2.Timestamp
    def __init__(self, title: _Optional[str] = ..., price_cents: _Optional[int] = ..., currency: _Optional[str] = ..., sell_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
