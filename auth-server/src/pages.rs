//! `/login`, `/logout`, `/error` and the front door.
//!
//! Why: these are what people see of a deployment. They work without JavaScript, show fixed texts for codes, and
//! never send a signed-in person away by themselves: a satellite that cannot read the cookie would send them
//! straight back, for ever (threat-model O9).

use axum::{
    Router,
    extract::{Query, State},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use hallpass_shared::{
    authenticator::{Admission, Authentication},
    cookie::{RequestCookies, SetCookies},
    pages::{Login, Logout, SignedIn},
    rejection::Rejection,
    return_to::ReturnTo,
    session::Session,
    telemetry::Trace,
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::form_urlencoded;

use crate::{App, SignIns};

const ACTION: &str = "/api/auth/callback/credentials";
const SIGN_OUT: &str = "/api/auth/signout";

pub(crate) fn router(app: &App) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route("/logout", get(logout))
        .route("/error", get(error))
        .method_not_allowed_fallback(async || Rejection::MethodNotAllowed)
        .with_state(app.clone())
}

/// Parameters of the pages. One that is given twice or makes no sense counts as absent.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(rename = "callbackUrl", alias = "rd")]
    callback_url: Option<String>,
    error: Option<String>,
    switch: Option<String>,
    done: Option<String>,
}

type Parameters = Result<Query<Asked>, axum::extract::rejection::QueryRejection>;

fn asked(parameters: Parameters) -> Asked {
    parameters.map(|Query(asked)| asked).unwrap_or_default()
}

impl Asked {
    fn destination(&self, app: &App) -> Option<ReturnTo> {
        app.endpoints.returns.parse(self.callback_url.as_deref()?).ok()
    }
}

async fn home(State(app): State<App>, headers: HeaderMap) -> Response {
    match app.current(&headers).await {
        (Some(session), set) => app.show_signed_in(&headers, &session, None, set),
        (None, set) => {
            let mut response = Redirect::to("/login").into_response();
            set.add_to(response.headers_mut());
            response
        }
    }
}

async fn login(State(app): State<App>, headers: HeaderMap, parameters: Parameters) -> Response {
    let asked = asked(parameters);
    let destination = asked.destination(&app);
    let (session, set) = app.current(&headers).await;
    if let Some(session) = session.filter(|_| asked.error.is_none() && asked.switch.is_none()) {
        return app.show_signed_in(&headers, &session, destination.as_ref(), set);
    }
    let Some(pages) = app.pages.for_browser(&headers) else { return no_texts() };
    let (token, csrf_set) = match app.endpoints.csrf_token(&headers) {
        Ok(issued) => issued,
        Err(rejection) => return rejection.into_response(),
    };
    let elsewhere = destination.as_ref().and_then(|destination| app.elsewhere(destination));
    // Sent back by a site that knows nobody, right after a sign-in (threat-model O9).
    let lost = elsewhere.is_some() && app.endpoints.lost_its_cookie(&headers);
    if lost {
        tracing::warn!(event = "cookie_lost", "a browser does not keep the session's cookie");
    }
    let mut response = pages.login(Login {
        action: ACTION,
        csrf_token: &token,
        callback_url: destination.as_ref().map(ReturnTo::as_str).unwrap_or_default(),
        destination: elsewhere,
        error: if lost { Some("LoopCookie") } else { asked.error.as_deref() },
    });
    csrf_set.add_to(response.headers_mut());
    set.add_to(response.headers_mut());
    response
}

async fn logout(State(app): State<App>, headers: HeaderMap, parameters: Parameters) -> Response {
    let asked = asked(parameters);
    // Whosever session it is, one can end it.
    let (session, set) = app.presented(&headers).await;
    let Some(pages) = app.pages.for_browser(&headers) else { return no_texts() };
    let (token, csrf_set) = match app.endpoints.csrf_token(&headers) {
        Ok(issued) => issued,
        Err(rejection) => return rejection.into_response(),
    };
    let destination = asked.destination(&app);
    let mut response = pages.logout(Logout {
        action: SIGN_OUT,
        csrf_token: &token,
        callback_url: destination.as_ref().map_or("/logout?done=1", ReturnTo::as_str),
        user_name: session.as_ref().map(Session::display_name),
        signed_out: asked.done.is_some() && session.is_none(),
        login_url: "/login",
    });
    csrf_set.add_to(response.headers_mut());
    set.add_to(response.headers_mut());
    response
}

async fn error(State(app): State<App>, headers: HeaderMap, parameters: Parameters) -> Response {
    let Some(pages) = app.pages.for_browser(&headers) else { return no_texts() };
    let asked = asked(parameters);
    let code = asked.error.as_deref().unwrap_or_default();
    let status = match code {
        "Configuration" => StatusCode::INTERNAL_SERVER_ERROR,
        "AccessDenied" | "MissingCSRF" | "Verification" => StatusCode::FORBIDDEN,
        "RateLimited" => StatusCode::TOO_MANY_REQUESTS,
        "Unavailable" | "Outage" => StatusCode::SERVICE_UNAVAILABLE,
        "SessionTooLarge" => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    };
    let id = Trace::current().map(|trace| trace.request_id());
    pages.error(status, code, id.as_deref(), Some("/login"))
}

fn no_texts() -> Response {
    Rejection::Internal("there are no texts").into_response()
}

impl App {
    /// The session of the request, as far as it can be told, and the cookies to set.
    async fn presented(&self, headers: &HeaderMap) -> (Option<Session>, SetCookies) {
        match self.endpoints.authenticator.authenticate(RequestCookies::new(headers)).await {
            Authentication::Admitted(Admission { session, set, .. }) => (Some(session), set),
            Authentication::Unavailable { session, .. } => (Some(session), SetCookies::none()),
            Authentication::Anonymous => (None, SetCookies::none()),
            Authentication::Refused { set, .. } => (None, set),
        }
    }

    /// The same, unless another session was begun in this browser: then a sibling host may have put this one in its
    /// place, and a fresh sign-in settles it (threat-model C3).
    async fn current(&self, headers: &HeaderMap) -> (Option<Session>, SetCookies) {
        let (session, set) = self.presented(headers).await;
        let policy = self.endpoints.authenticator.cookie.policy();
        let swapped = |session: &Session| {
            let sid = session.sid.as_deref();
            sid.is_some_and(|sid| policy.is_bound_elsewhere(RequestCookies::new(headers), sid))
        };
        // Where apps pass sign-ins on under their own name, the browser is tied to a session there, not here.
        if self.sign_ins == SignIns::Here && session.as_ref().is_some_and(swapped) {
            tracing::warn!(
                event = "session_swapped",
                "the session is not the one that was begun in this browser"
            );
            return (None, set);
        }
        (session, set)
    }

    /// The host of an address that is not on this server.
    fn elsewhere<'r>(&self, destination: &'r ReturnTo) -> Option<&'r str> {
        (!destination.is_on(self.endpoints.returns.base())).then(|| destination.host())
    }

    fn show_signed_in(
        &self,
        headers: &HeaderMap,
        session: &Session,
        destination: Option<&ReturnTo>,
        set: SetCookies,
    ) -> Response {
        let Some(pages) = self.pages.for_browser(headers) else { return no_texts() };
        let text = |field: &str| session.user.get(field).and_then(serde_json::Value::as_str);
        let to = destination.map(ReturnTo::as_str);
        let switch = to.map_or_else(
            || "/login?switch=1".to_owned(),
            |to| {
                let mut query = form_urlencoded::Serializer::new(String::new());
                format!("/login?{}", query.append_pair("switch", "1").append_pair("callbackUrl", to).finish())
            },
        );
        let mut response = pages.signed_in(SignedIn {
            user_name: session.display_name(),
            user_email: text("email").filter(|email| *email != session.display_name()),
            continue_url: to,
            destination: destination.and_then(|destination| self.elsewhere(destination)),
            switch_url: &switch,
            logout_url: "/logout",
        });
        set.add_to(response.headers_mut());
        response
    }
}
