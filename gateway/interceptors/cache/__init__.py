"""Answers that are kept, and what makes them old."""

from gateway.interceptors.cache.freshness import CacheOptions
from gateway.interceptors.cache.interceptor import CacheInterceptor
from gateway.interceptors.cache.invalidate import InvalidateInterceptor

__all__ = ["CacheInterceptor", "CacheOptions", "InvalidateInterceptor"]
