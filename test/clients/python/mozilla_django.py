"""mozilla-django-oidc as its installation page shows it: five addresses, a client, RS256."""

import sys

from django.http import HttpResponse
from django.urls import include, path
from django_site import configure, visit
from driver import ISSUER, SETTINGS, result

configure(
    ["mozilla_django_oidc"],
    "__main__",
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    OIDC_RP_CLIENT_ID=SETTINGS["clientId"],
    OIDC_RP_CLIENT_SECRET=SETTINGS["clientSecret"],
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_OP_AUTHORIZATION_ENDPOINT=f"{ISSUER}/oauth/authorize",
    OIDC_OP_TOKEN_ENDPOINT=f"{ISSUER}/oauth/token",
    OIDC_OP_USER_ENDPOINT=f"{ISSUER}/oauth/userinfo",
    OIDC_OP_JWKS_ENDPOINT=f"{ISSUER}/oauth/jwks",
)
urlpatterns = [path("oidc/", include("mozilla_django_oidc.urls")), path("", lambda request: HttpResponse(request.user.email))]
result(emails=visit("/oidc/authenticate/"))
sys.exit()
