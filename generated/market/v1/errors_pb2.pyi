from seawall.error.v1 import error_pb2 as _error_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_RATE_LIMITED: _ClassVar[ErrorReason]
    ERROR_REASON_TIMEOUT: _ClassVar[ErrorReason]
    ERROR_REASON_EBAY_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_OPENAI_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_SERPAPI_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_STRIPE_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_CARD_DECLINED: _ClassVar[ErrorReason]
    ERROR_REASON_INSUFFICIENT_FUNDS: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_IMAGE: _ClassVar[ErrorReason]
    ERROR_REASON_QUOTA_EXHAUSTED: _ClassVar[ErrorReason]
    ERROR_REASON_SCANNER_UNAVAILABLE: _ClassVar[ErrorReason]
    ERROR_REASON_PAYMENT_UNCERTAIN: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_RATE_LIMITED: ErrorReason
ERROR_REASON_TIMEOUT: ErrorReason
ERROR_REASON_EBAY_UNAVAILABLE: ErrorReason
ERROR_REASON_OPENAI_UNAVAILABLE: ErrorReason
ERROR_REASON_SERPAPI_UNAVAILABLE: ErrorReason
ERROR_REASON_STRIPE_UNAVAILABLE: ErrorReason
ERROR_REASON_CARD_DECLINED: ErrorReason
ERROR_REASON_INSUFFICIENT_FUNDS: ErrorReason
ERROR_REASON_PAYMENT_FAILED: ErrorReason
ERROR_REASON_INVALID_IMAGE: ErrorReason
ERROR_REASON_QUOTA_EXHAUSTED: ErrorReason
ERROR_REASON_SCANNER_UNAVAILABLE: ErrorReason
ERROR_REASON_PAYMENT_UNCERTAIN: ErrorReason
