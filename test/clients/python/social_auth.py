"""social-auth-core's OpenIdConnectAuth, with the smallest strategy and storage that its classes ask for."""

from urllib.parse import parse_qsl, urlsplit

from driver import ISSUER, SETTINGS, open_browser, result
from social_core.backends.open_id_connect import OpenIdConnectAuth
from social_core.storage import AssociationMixin
from social_core.strategy import BaseStrategy


class Storage:
    class nonce:
        stored = set()

        @classmethod
        def use(cls, *parts):
            cls.stored.add(parts)
            return True

        @classmethod
        def consume(cls, *parts):
            found = parts in cls.stored
            cls.stored.discard(parts)
            return found

    class association(AssociationMixin):
        stored = []

        @classmethod
        def store(cls, server_url, association):
            entry = cls()
            entry.id, entry.server_url, entry.handle = len(cls.stored), server_url, association.handle
            entry.issued, entry.lifetime, entry.assoc_type = association.issued, association.lifetime, association.assoc_type
            cls.stored.append(entry)

        @classmethod
        def get(cls, server_url=None, handle=None):
            return [entry for entry in cls.stored if entry.server_url == server_url and entry.handle == handle]

        @classmethod
        def remove(cls, ids):
            cls.stored = [entry for entry in cls.stored if entry.id not in ids]


class Strategy(BaseStrategy):
    def __init__(self, settings):
        super().__init__(storage=Storage)
        self.settings, self.session, self.data = settings, {}, {}

    def get_setting(self, name):
        return self.settings[name]

    def get_pipeline(self, backend=None):
        return ["social_core.pipeline.social_auth.social_details", "social_core.pipeline.social_auth.social_uid", "__main__.keep"]

    def redirect(self, url):
        return url

    def request_data(self, merge=True):
        return self.data

    def request_host(self):
        return "client.example"

    def build_absolute_uri(self, path=None):
        return path

    def session_get(self, name, default=None):
        return self.session.get(name, default)

    def session_set(self, name, value):
        self.session[name] = value

    def session_pop(self, name):
        return self.session.pop(name, None)


kept = {}


def keep(details, uid, **_):
    """The last step of the pipeline: what an application would store."""
    kept.update(uid=uid, **{name: details[name] for name in ("username", "email", "fullname")})


strategy = Strategy(
    {
        "SOCIAL_AUTH_OIDC_OIDC_ENDPOINT": ISSUER,
        "SOCIAL_AUTH_OIDC_KEY": SETTINGS["clientId"],
        "SOCIAL_AUTH_OIDC_SECRET": SETTINGS["clientSecret"],
    }
)
backend = OpenIdConnectAuth(strategy, redirect_uri=SETTINGS["redirectUri"])
answer = open_browser(backend.start())
strategy.data = backend.data = dict(parse_qsl(urlsplit(answer).query))
backend.complete()
result(**kept)
