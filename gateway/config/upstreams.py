"""Which upstream answers which method, and what each upstream is.

Rules:
1. A method's upstream is the one that its levels name.
2. Methods whose levels name none have the only upstream there is; where there are
   several, the one called "default".
3. `--upstream URL`, without a name, is the URL of the only upstream in use.
4. A name in a flag or in YAML that no method of the protos has is a mistake.
5. Levels: built-in < defaults < proto option < YAML < flag.
6. A URL that the proto takes from the environment need not be set where a more
   specific level gives another.
"""

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.descriptor import ServiceDescriptor
from seawall.policy.v1 import policy_pb2
from seawall.policy.v1.policy_pb2 import MethodPolicy, UpstreamPolicy

from gateway.config import builtin
from gateway.config.checks import upstream_mistakes
from gateway.config.document import Document
from gateway.config.effective import EffectiveUpstream
from gateway.config.levels import option, says_something, yaml_level
from gateway.config.merge import Level, merge
from gateway.config.problems import Problems
from gateway.config.references import BrokenReferenceError, expand
from gateway.config.schema import Schema
from gateway.config.services import BoundMethod
from gateway.config.suggest import no_such, slip_of
from gateway.config.upstream_credentials import (
    credential_option_mistakes,
    merged_credential_mistakes,
)
from gateway.config.upstream_tls import merged_tls_mistakes, place_files
from gateway.config.url import endpoint_mistake, split_endpoints, url_mistake
from gateway.config.values import under

DEFAULT_UPSTREAM = "default"
"""Who answers methods that name no upstream."""

_FLAG = "--upstream"


class Upstreams:
    """The upstreams that protos, YAML and flags speak of.

    Args:
        schema: with the declarations of services.
        document: YAML.
        flags: URL by name; "" is the name of one that was given without.
        environ: for `${NAME}` in declarations.
        problems: what is wrong.
    """

    def __init__(
        self,
        schema: Schema,
        document: Document,
        flags: Mapping[str, str],
        environ: Mapping[str, str],
        problems: Problems,
    ) -> None:
        self._schema = schema
        self._document = document
        self._config = document.config
        self._flags = dict(flags)
        self._environ = environ
        self._problems = problems
        self._declared: dict[str, Level] = {}
        self._referenced = set(document.referenced)
        self._broken: dict[str, str] = {}
        self._named_at: Mapping[str, str] = {}
        for service in schema.services():
            self._declare(service)
        for url in self._flags.values():
            first, endpoints = split_endpoints(url)
            if wrong := url_mistake(first):
                problems.add(_FLAG, wrong)
            for endpoint in endpoints:
                if wrong := endpoint_mistake(endpoint):
                    problems.add(_FLAG, wrong)

    def _declare(self, service: ServiceDescriptor) -> None:
        said = option(service, policy_pb2.upstream)
        if said is None:
            return
        where = self._schema.where_service(service)
        at = f"{service.full_name}: upstream"
        if not said.name:
            self._problems.add(where, f"{at}: the option needs a name")
            return
        policy = UpstreamPolicy()
        policy.CopyFrom(said)
        try:
            if policy.HasField("url"):
                policy.url = expand(policy.url, self._environ)
                if policy.url != said.url:
                    self._referenced.add(policy.url)
        except BrokenReferenceError as error:
            self._broken[policy.name] = f"{at}.url: {error}"
            policy.ClearField("url")
        secrets = under("credentials", credential_option_mistakes(policy.credentials))
        for path, text in (*upstream_mistakes(policy), *secrets):
            self._problems.add(where, f"{at}.{path}: {text}")
        before = self._declared.get(policy.name)
        if before is None or before.message == UpstreamPolicy(name=policy.name):
            self._declared[policy.name] = Level("proto", where, policy)
        elif policy not in (before.message, UpstreamPolicy(name=policy.name)):
            self._problems.add(
                where, f"{at}: {policy.name!r} is declared otherwise at {before.where}"
            )

    def assign(self, methods: Sequence[BoundMethod], named: Sequence[str]) -> list[str]:
        """Return the upstream of each method, "" where that is a mistake.

        Args:
            methods: that are served.
            named: what the levels of each say, "" where they name none.
        """
        unnamed = [method.name for method, name in zip(methods, named, strict=True) if not name]
        fallback = self._fallback(named, unnamed) if unnamed else ""
        return [name or fallback for name in named]

    def _fallback(self, named: Sequence[str], unnamed: Sequence[str]) -> str:
        there = dict.fromkeys(
            [*filter(None, named), *sorted(self._config.upstreams), *filter(None, self._flags)]
        )
        if len(there) > 1 and DEFAULT_UPSTREAM not in there:
            more = f" and {len(unnamed) - 1} more" if len(unnamed) > 1 else ""
            self._problems.add(
                "",
                f"{unnamed[0]}{more}: which upstream? There are {', '.join(there)}; say it by "
                f"`upstream` in the policy of the service, or call one {DEFAULT_UPSTREAM!r}",
            )
            return ""
        return next(iter(there)) if len(there) == 1 else DEFAULT_UPSTREAM

    def effective(
        self, used: Sequence[str], named_at: Mapping[str, str] | None = None
    ) -> dict[str, EffectiveUpstream]:
        """Return the upstreams in use, by name.

        Args:
            used: their names, each once.
            named_at: where each was named for a method.
        """
        self._named_at = named_at or {}
        if "" in used:
            return {}  # which names are in use, nobody can say
        urls = self._named_flags(used)
        self._find_unused(used)
        return {name: self._effective(name, urls.get(name)) for name in used}

    def _named_flags(self, used: Sequence[str]) -> dict[str, str]:
        urls = dict(self._flags)
        url = urls.pop("", None)
        if url is None:
            return urls
        if len(used) > 1:
            self._problems.add(
                _FLAG,
                f"several upstreams are in use ({', '.join(used)}); "
                "write --upstream NAME=URL for each",
            )
        elif used and used[0] in urls:
            self._problems.add(
                _FLAG, f"the upstream {used[0]!r} is given twice, with its name and without"
            )
        elif used:
            urls[used[0]] = url
        return urls

    def _find_unused(self, used: Sequence[str]) -> None:
        unused = [name for name in self._flags if name and name not in used]
        unused_keys = [name for name in sorted(self._config.upstreams) if name not in used]
        if not unused and not unused_keys:
            return
        known = dict.fromkeys([*used, *sorted(self._mentioned())])
        for name in unused:
            if name not in known and name not in self._config.upstreams:
                self._problems.add(_FLAG, no_such("upstream", name, known))
        meant = {self._meant(name) for name in used}
        for name in unused_keys:
            if name not in known and name not in meant:
                key = f"upstreams.{name}"
                text = f"{key}: no method has it: {no_such('upstream', name, known)}"
                self._problems.add(self._document.where(key), text)

    def _meant(self, name: str) -> str:
        """Return the upstream that a name nobody says anything of is a slip of, "" for none."""
        if name in self._config.upstreams or name in self._declared or name in self._flags:
            return ""
        others = [*self._config.upstreams, *self._declared, *filter(None, self._flags)]
        return slip_of(name, others)

    def _mentioned(self) -> Iterator[str]:
        """Yield every upstream that a policy names, of services that are not served too."""

        def names(policy: MethodPolicy | None) -> Iterator[str]:
            if policy is not None and policy.upstream:
                yield policy.upstream

        yield from self._declared
        for service in self._schema.services():
            yield from names(option(service, policy_pb2.service))
            for method in service.methods:
                yield from names(option(method, policy_pb2.method))
        yield from names(self._config.defaults.method)
        for said in self._config.services.values():
            yield from names(said.policy)
            for policy in said.methods.values():
                yield from names(policy)

    def _effective(self, name: str, flag: str | None) -> EffectiveUpstream:
        policy, origins = merge(list(self._levels(name, flag)))
        policy.name = name
        if not policy.url:
            given = "" if name == DEFAULT_UPSTREAM else f"{name}="
            if name in self._broken:
                self._problems.add(self._declared[name].where, self._broken[name])
            elif meant := self._meant(name):
                self._problems.add(
                    self._named_at.get(name, ""),
                    f"there is no upstream {name!r}; did you mean {meant!r}?",
                )
            else:
                self._problems.add(
                    self._named_at.get(name, ""),
                    f"the upstream {name!r} has no URL; write --upstream {given}http://HOST:PORT, "
                    f"or upstreams.{name}.url in the configuration",
                )
        effective = EffectiveUpstream(name, policy, origins, frozenset(self._referenced))
        wrong = [*merged_credential_mistakes(policy)]
        if policy.url:
            wrong += merged_tls_mistakes(policy, effective.client_options())
        for path, text in wrong:
            self._problems.add("", f"upstream {name!r}: {path}: {text}")
        return effective

    def _levels(self, name: str, flag: str | None) -> Iterator[Level]:
        yield Level("built-in", "", builtin.UPSTREAM)
        yield from self._yaml("defaults", "defaults.upstream", self._config.defaults.upstream)
        if name in self._declared:
            yield self._declared[name]
        if name in self._config.upstreams:
            said = self._config.upstreams[name]
            at = f"upstreams.{name}"
            yield from self._yaml("upstream", f"{at}.policy", said.policy)
            if said.HasField("url"):
                yield from self._yaml("upstream", f"{at}.url", UpstreamPolicy(url=said.url))
        if flag is not None:
            url, endpoints = split_endpoints(flag)
            flagged = UpstreamPolicy(url=url, endpoints=endpoints)
            # A URL is all of where an upstream is: it takes the place of endpoints too.
            emptied = frozenset(() if endpoints else ("endpoints",))
            yield Level("flag", _FLAG, flagged, emptied=emptied)

    def _yaml(self, name: str, key: str, said: UpstreamPolicy) -> Iterator[Level]:
        if not says_something(key, said, self._document):
            return
        policy = UpstreamPolicy()
        policy.CopyFrom(said)
        if policy.HasField("tls"):
            place_files(policy.tls, self._document.folder)
        yield yaml_level(name, key, policy, self._document)
