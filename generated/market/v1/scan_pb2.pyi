from google.api import annotations_pb2 as _annotations_pb2
from google.rpc import status_pb2 as _status_pb2
from seawall.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Scan(_message.Message):
    __slots__ = ("title", "category", "price_cents", "currency")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRICE_CENTS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    title: str
    category: str
    price_cents: int
    currency: str
    def __init__(self, title: _Optional[str] = ..., category: _Optional[str] = ..., price_cents: _Optional[int] = ..., currency: _Optional[str] = ...) -> None: ...

class ScanAndAnalyzeRequest(_message.Message):
    __slots__ = ("image_url", "category", "currency")
    IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    image_url: str
    category: str
    currency: str
    def __init__(self, image_url: _Optional[str] = ..., category: _Optional[str] = ..., currency: _Optional[str] = ...) -> None: ...

class BatchScanAndAnalyzeRequest(_message.Message):
    __slots__ = ("pictures", "currency")
    class Picture(_message.Message):
        __slots__ = ("image_url", "category")
        IMAGE_URL_FIELD_NUMBER: _ClassVar[int]
        CATEGORY_FIELD_NUMBER: _ClassVar[int]
        image_url: str
        category: str
        def __init__(self, image_url: _Optional[str] = ..., category: _Optional[str] = ...) -> None: ...
    PICTURES_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    pictures: _containers.RepeatedCompositeFieldContainer[BatchScanAndAnalyzeRequest.Picture]
    currency: str
    def __init__(self, pictures: _Optional[_Iterable[_Union[BatchScanAndAnalyzeRequest.Picture, _Mapping]]] = ..., currency: _Optional[str] = ...) -> None: ...

class BatchScanAndAnalyzeResponse(_message.Message):
    __slots__ = ("results",)
    class Result(_message.Message):
        __slots__ = ("scan", "status")
        SCAN_FIELD_NUMBER: _ClassVar[int]
        STATUS_FIELD_NUMBER: _ClassVar[int]
        scan: Scan
        status: _status_pb2.Status
        def __init__(self, scan: _Optional[_Union[Scan, _Mapping]] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchScanAndAnalyzeResponse.Result]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchScanAndAnalyzeResponse.Result, _Mapping]]] = ...) -> None: ...
