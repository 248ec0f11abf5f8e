"""Methods made of other methods: fallback chains, fan-out, scatter."""
