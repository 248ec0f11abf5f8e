"""What methods have to do with each other: fallbacks, fan-out and scatter, compiled.

Rules:
1. What is called is served, and of one message each way; so is what calls it. A fallback
   that a method which streams inherits is not meant for it.
2. A method whose answer is made of others' has no google.api.http, and no upstream.
3. Fields are there and types fit; a fixed answer is one of the method's.
4. Nothing leads back to where it came from: the circle is named.
5. A method that is made of others is idempotent if all of them are, unless it says.
6. What must be signed by its sender (`webhook`) is called by nobody else.
"""

from gateway.config.compositions.composition import Composition as Composition
from gateway.config.compositions.composition import compositions as compositions
from gateway.config.compositions.composition import fallback_upstreams as fallback_upstreams
from gateway.config.compositions.unread import unread_body_doubts as unread_body_doubts
