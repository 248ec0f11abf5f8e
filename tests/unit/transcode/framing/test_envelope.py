import pytest
from transcode.v1 import kinds_pb2 as pb

from gateway.core.errors import CallError, Reason
from gateway.transcode.framing.envelope import Opened, may_be_enveloped, open_envelope


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        (b'{"result":{"id":"1"}}', Opened({"id": "1"})),
        (b' { "result" : null } ', Opened(None)),
        (b'{"result":1,"error":null}', Opened(1)),
        (b'{"error":null,"result":1}', Opened(1)),
        (b'{"error":{"code":5}}', Opened(error={"code": 5})),
        (b'{"result":1,"error":"x"}', Opened(error="x")),
        (b'{"error":{}}', Opened(error={})),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_an_envelope_is_opened(text, opened, declared):
    assert open_envelope(text, declared=declared) == opened


@pytest.mark.parametrize(
    "text",
    [
        *(b"{}", b"[]", b"1", b'"result"', b'{"id":"1"}', b'{"result":1,"id":2}'),
        *(b'{"id":2,"result":1}', b'{"results":1}', b'{"result":'),
    ],
)
def test_what_is_none_is_left_alone_unless_it_must_be_one(text):
    assert open_envelope(text, declared=False) is None
    with pytest.raises(CallError) as raised:
        open_envelope(text, declared=True)
    assert raised.value.reason is Reason.UPSTREAM_INVALID_ANSWER


def test_a_message_with_such_fields_is_not_looked_at_unless_declared():
    class Field:
        def __init__(self, name: str, json_name: str) -> None:
            self.name, self.json_name = name, json_name

    plain = pb.Document.DESCRIPTOR.fields
    assert may_be_enveloped(None, plain)
    assert not may_be_enveloped(False, plain)
    for field in (Field("result", "r"), Field("e", "error")):
        assert not may_be_enveloped(None, [field])
        assert may_be_enveloped(True, [field])
