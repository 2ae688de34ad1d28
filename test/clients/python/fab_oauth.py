"""Flask-AppBuilder with AUTH_OAUTH and server_metadata_url: a user who signs in is registered with their e-mail."""

import tempfile
import threading

from driver import ISSUER, SETTINGS, open_browser, port, result
from flask import Flask
from flask_appbuilder import AppBuilder
from flask_appbuilder.const import AUTH_OAUTH
from flask_appbuilder.utils.legacy import get_sqla_class
from werkzeug.serving import make_server

folder = tempfile.TemporaryDirectory()
app = Flask(__name__)
app.config.update(
    SECRET_KEY="a secret of this test alone",
    SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder.name}/users.db",
    AUTH_TYPE=AUTH_OAUTH,
    AUTH_USER_REGISTRATION=True,
    AUTH_USER_REGISTRATION_ROLE="Public",
    OAUTH_PROVIDERS=[
        {
            "name": "munjigi",
            "icon": "fa-key",
            "token_key": "access_token",
            "remote_app": {
                "client_id": SETTINGS["clientId"],
                "client_secret": SETTINGS["clientSecret"],
                "server_metadata_url": f"{ISSUER}/.well-known/openid-configuration",
                "client_kwargs": {"scope": "openid profile email"},
            },
        }
    ],
)
db = get_sqla_class()(app)
with app.app_context():
    appbuilder = AppBuilder(app, db.session)

    @appbuilder.sm.oauth_user_info_getter
    def user_info(sm, provider, response):
        claims = sm.oauth_remotes[provider].userinfo()
        return {"username": claims["preferred_username"], "email": claims["email"], "first_name": claims["name"]}


server = make_server("localhost", port(), app)
threading.Thread(target=server.serve_forever, daemon=True).start()
open_browser(f"http://localhost:{port()}/login/munjigi")
with app.app_context():
    result(users=[[user.username, user.email, user.first_name] for user in appbuilder.sm.get_all_users()])
server.shutdown()
