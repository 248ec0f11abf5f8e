"""AdminService.PurgeCache: kept answers are made old."""

from seawall.admin.v1 import admin_pb2

from gateway.core.errors import CallError, Origin, Reason, invalid_request
from gateway.core.status import Code
from gateway.state.answers import ALL, AnswerStore

PURGE_REQUEST = admin_pb2.PurgeCacheRequest
MAX_TAGS = 100
MAX_TAG_LENGTH = 1000


async def purge_cache(
    store: AnswerStore | None, request: admin_pb2.PurgeCacheRequest
) -> admin_pb2.PurgeCacheResponse:
    """Answer PurgeCache.

    Args:
        store: None where no method keeps answers.
        request: names tags, or all.

    Raises:
        CallError: INVALID_ARGUMENT for a request that names nothing, or both, or too much;
            FAILED_PRECONDITION where nothing is kept.
    """
    tags = list(request.tags)
    if bool(tags) == request.all:
        raise invalid_request("say either tags or all", "tags")
    if len(tags) > MAX_TAGS:
        raise invalid_request(f"at most {MAX_TAGS} tags, found {len(tags)}", "tags")
    for i, tag in enumerate(tags):
        if not tag or len(tag) > MAX_TAG_LENGTH:
            raise invalid_request(f"must be 1 to {MAX_TAG_LENGTH} characters", f"tags[{i}]")
    if store is None:
        raise CallError(
            Code.FAILED_PRECONDITION,
            Reason.INVALID_REQUEST,
            "no answers are kept: no method has `cache.ttl`",
            origin=Origin.CALLER,
        )
    await store.invalidate([ALL] if request.all else tags)
    return admin_pb2.PurgeCacheResponse()
