"""django-allauth's provider openid_connect: the server's address and a client."""

import sys

from django.http import HttpResponse
from django.urls import include, path
from django_site import configure, visit
from driver import ISSUER, SETTINGS, result

configure(
    ["allauth", "allauth.account", "allauth.socialaccount", "allauth.socialaccount.providers.openid_connect"],
    "__main__",
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.ModelBackend", "allauth.account.auth_backends.AuthenticationBackend"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "allauth.account.middleware.AccountMiddleware",
    ],
    EMAIL_BACKEND="django.core.mail.backends.dummy.EmailBackend",
    # A click on a button of the site would post this form.
    SOCIALACCOUNT_LOGIN_ON_GET=True,
    SOCIALACCOUNT_PROVIDERS={
        "openid_connect": {
            "APPS": [
                {
                    "provider_id": "munjigi",
                    "name": "Munjigi",
                    "client_id": SETTINGS["clientId"],
                    "secret": SETTINGS["clientSecret"],
                    "settings": {"server_url": ISSUER},
                }
            ]
        }
    },
)
urlpatterns = [path("accounts/", include("allauth.urls")), path("", lambda request: HttpResponse(request.user.email))]
result(emails=visit("/accounts/oidc/munjigi/login/"))
sys.exit()
