"""HTTP to the upstreams. The only place that imports an HTTP client."""
