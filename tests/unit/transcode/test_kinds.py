import pytest
from transcode.v1 import kinds_pb2 as pb
from unit.transcode.bench import bench_for
from unit.transcode.test_uploads import RULE, encoder_of

from gateway.core.call import MethodInfo
from gateway.transcode.answers import StreamTarget
from gateway.transcode.framing.choice import StreamOptions
from gateway.transcode.kinds import rest_target
from gateway.transcode.target import UnaryTarget
from gateway.transcode.uploads import DuplexTarget, UploadTarget


@pytest.mark.parametrize(
    ("client", "server", "one_body", "kind"),
    [
        (False, False, False, UnaryTarget),
        (False, True, False, StreamTarget),
        (True, False, False, UploadTarget),
        (True, True, False, StreamTarget),
        (True, True, True, DuplexTarget),
    ],
)
async def test_the_target_of_a_method_follows_from_what_streams(client, server, one_body, kind):
    method = MethodInfo("a.B", "C", client, server)
    async with bench_for("http://localhost", stream=StreamOptions(one_body=one_body)) as bench:
        target = rest_target(method, bench.parts, pb.Document.DESCRIPTOR, encoder_of(**RULE))
    assert type(target) is kind
