"""What tests share: real upstreams, real gateways, real clients."""
