"""A Django site of one file, in memory, for clients that are Django apps. It is served until the browser has been through it."""

import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from django.conf import settings
from django.core.management import call_command
from driver import open_browser, port


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def configure(apps, urls, **more):
    settings.configure(
        SECRET_KEY="a secret of this test alone",
        ALLOWED_HOSTS=["localhost"],
        ROOT_URLCONF=urls,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:clients?mode=memory&cache=shared", "OPTIONS": {"uri": True}}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django.contrib.messages", *apps],
        TEMPLATES=[
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]},
            }
        ],
        LOGIN_REDIRECT_URL="/",
        USE_TZ=True,
        **more,
    )
    django.setup()


def visit(path):
    """Serves the site while the browser opens that path. Returns the e-mail addresses of its users."""
    from django.contrib.auth import get_user_model
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    server = make_server("localhost", port(), get_wsgi_application(), WSGIServer, Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    open_browser(f"http://localhost:{port()}{path}")
    users = list(get_user_model().objects.values_list("email", flat=True))
    server.shutdown()
    return users
