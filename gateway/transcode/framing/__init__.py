"""How the messages of a streamed answer lie in its body, one module a framing.

A framing is fed the body's parts as they arrive and gives each message as soon as
its last byte is there. It works on bytes alone: no sockets, no time, no protobuf.
"""
