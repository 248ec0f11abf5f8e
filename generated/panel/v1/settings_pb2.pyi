from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from seawall.error.v1 import error_pb2 as _error_pb2
from seawall.policy.v1 import policy_pb2 as _policy_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SettingsError(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SETTINGS_ERROR_UNSPECIFIED: _ClassVar[SettingsError]
    SETTINGS_ERROR_SETTINGS_SLOW: _ClassVar[SettingsError]
    SETTINGS_ERROR_SETTINGS_UNCERTAIN: _ClassVar[SettingsError]
SETTINGS_ERROR_UNSPECIFIED: SettingsError
SETTINGS_ERROR_SETTINGS_SLOW: SettingsError
SETTINGS_ERROR_SETTINGS_UNCERTAIN: SettingsError

class Settings(_message.Message):
    __slots__ = ("shop_name", "support_email", "maintenance", "payment_secret", "smtp_password")
    SHOP_NAME_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_EMAIL_FIELD_NUMBER: _ClassVar[int]
    MAINTENANCE_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_SECRET_FIELD_NUMBER: _ClassVar[int]
    SMTP_PASSWORD_FIELD_NUMBER: _ClassVar[int]
    shop_name: str
    support_email: str
    maintenance: bool
    payment_secret: str
    smtp_password: str
    def __init__(self, shop_name: _Optional[str] = ..., support_email: _Optional[str] = ..., maintenance: _Optional[bool] = ..., payment_secret: _Optional[str] = ..., smtp_password: _Optional[str] = ...) -> None: ...

class GetSettingsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class UpdateSettingsRequest(_message.Message):
    __slots__ = ("settings", "update_mask")
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    settings: Settings
    update_mask: _field_mask_pb2.FieldMask
    def __init__(self, settings: _Optional[_Union[Settings, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...
