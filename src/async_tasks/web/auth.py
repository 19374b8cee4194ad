"""Who may come in: everybody on loopback without a token; with one, its bearer, or who logged in with it.

The session is Flask's signed cookie. It holds a random ``sid`` that forms and submissions are tied to, and, after a
login, a proof that its holder knew the token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import quote, urlsplit

from flask import Blueprint, Flask, current_app, flash, redirect, render_template, request, session, url_for
from itsdangerous import Signer
from werkzeug.wrappers import Response

from async_tasks.settings import Settings
from async_tasks.web.problems import Refused, wants_json
from async_tasks.web.security import UNSAFE, require_own_origin

bp = Blueprint("auth", __name__)

OPEN: Final = frozenset(
    {"static", "assets.show", "health.live", "health.ready", "auth.login", "auth.enter", "sharing.show"}
)
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="async-tasks"'}


def install(app: Flask, settings: Settings) -> None:
    """Let in only who may, and only forms that we gave out."""
    token = settings.admin_token.get_secret_value() if settings.admin_token else None
    app.config["ADMIN_TOKEN"] = token

    def guard() -> Response | None:
        if _bearer(token):
            return None
        if token is not None and request.endpoint not in OPEN and not _logged_in(token):
            return _send_away()
        if request.method not in UNSAFE:
            if wants_json() and token is not None:
                require_own_origin(proof=False)
        elif wants_json():
            require_own_origin(proof=token is not None)
        else:
            require_own_origin(proof=False)
            _check_form()
        return None

    app.before_request(guard)
    app.register_blueprint(bp)
    app.jinja_env.globals["csrf_token"] = csrf_token
    app.jinja_env.globals["login_needed"] = token is not None


def is_trusted() -> bool:
    """Whether the current request may see details: no token is set, or it showed it."""
    token = current_app.config["ADMIN_TOKEN"]
    return token is None or _bearer(token) or _logged_in(token)


def csrf_token() -> str:
    """What every form of the current session carries; begins the session where there is none."""
    return _signature("form", _begun())


def visitor() -> str | None:
    """Who submits from the pages, as records show it: this session's own name, from which nothing follows.

    None where there is no session, or it may not see anything.
    """
    if "sid" not in session or not is_trusted():
        return None
    return f"visitor-{hashlib.sha256(_signature('visitor', session['sid']).encode()).hexdigest()[:16]}"


@bp.get("/login")
def login() -> str:
    """The login form."""
    return render_template("login.html", next=request.args.get("next", ""), wrong=False)


@bp.post("/login")
def enter() -> Response | tuple[str, int]:
    """Log in with the token."""
    token = current_app.config["ADMIN_TOKEN"]
    target = request.form.get("next", "")
    if token is not None:
        if not _same(request.form.get("token", ""), token):
            return render_template("login.html", next=target, wrong=True), 401
        session.clear()
        session["login"] = _signature("login", token)
        csrf_token()
    return redirect(target if _is_local(target) else url_for("pages.index"), 303)


@bp.post("/logout")
def leave() -> Response:
    """Log out."""
    session.clear()
    flash("You are logged out.")
    return redirect(url_for("auth.login"), 303)


def _begun() -> str:
    if "sid" not in session:
        session["sid"] = secrets.token_urlsafe(16)
        session.permanent = True
    sid: str = session["sid"]
    return sid


def _bearer(token: str | None) -> bool:
    credential = request.authorization
    if token is None or credential is None or credential.type != "bearer":
        return False
    return _same(credential.token or "", token)


def _logged_in(token: str) -> bool:
    return _same(session.get("login", ""), _signature("login", token))


def _send_away() -> Response:
    if wants_json() or request.method != "GET":
        raise Refused("unauthorized", headers=CHALLENGE if wants_json() else None)
    query = request.query_string.decode("latin-1")
    # "%" is safe because the routing keeps what is encoded of a name.
    target = quote(request.path, safe="/%") + (f"?{query}" if query else "")
    return redirect(url_for("auth.login", next=target), 303)


def _check_form() -> None:
    sid = session.get("sid")
    if sid is None or not _same(request.form.get("_csrf", ""), _signature("form", sid)):
        raise Refused("stale-form")


def _signature(purpose: str, value: str) -> str:
    # A signature, and not a hash: the cookie can be read by whoever holds it.
    return Signer(str(current_app.secret_key), salt=f"async-tasks.{purpose}").get_signature(value).decode()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _is_local(target: str) -> bool:
    parts = urlsplit(target)
    # "//host" and "/\host" leave the server, and so they do with a tab in between.
    plain = target.isascii() and target.isprintable()
    return plain and target.startswith("/") and not parts.netloc and target[1:2] not in ("/", "\\")
