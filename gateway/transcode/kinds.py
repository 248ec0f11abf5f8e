"""Which target a method has, by what streams.

one request,      one answer      UnaryTarget
one request,      many answers    StreamTarget
many requests,    one answer      UploadTarget    one body
many requests,    many answers    StreamTarget    one request each (interceptors/each.py)
                                  DuplexTarget    one body, where the policy says so
"""

from google.protobuf.descriptor import Descriptor

from gateway.core.call import MethodInfo
from gateway.transcode.answers import StreamTarget
from gateway.transcode.encode import RequestEncoder
from gateway.transcode.target import RestParts, RestTarget, UnaryTarget
from gateway.transcode.uploads import DuplexTarget, UploadTarget


def rest_target(
    method: MethodInfo, parts: RestParts, message: Descriptor, encoder: RequestEncoder
) -> RestTarget:
    """Return the target of a method.

    Args:
        method: what streams.
        parts: of the method.
        message: the response's type.
        encoder: prints requests.
    """
    if not method.server_streaming:
        return UploadTarget(parts, encoder) if method.client_streaming else UnaryTarget(parts)
    if not method.client_streaming:
        return StreamTarget(parts, message)
    if parts.options.stream.one_body:
        return DuplexTarget(parts, message, encoder)
    return StreamTarget(parts, message, may_be_single=True)
