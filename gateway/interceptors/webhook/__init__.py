"""Requests whose raw body is signed by their sender."""

from gateway.interceptors.webhook.interceptor import WebhookInterceptor, WebhookReaders
from gateway.interceptors.webhook.options import Encoding, Scheme, WebhookOptions

__all__ = ["Encoding", "Scheme", "WebhookInterceptor", "WebhookOptions", "WebhookReaders"]
