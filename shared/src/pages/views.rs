//! The templates' values, page by page.
//!
//! Why: a template shows what its struct holds and nothing else; each public struct is what a server knows when
//! it shows that page.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{Brand, Pages, Texts};

/// The sign-in form.
#[derive(Clone, Copy, Debug)]
pub struct Login<'p> {
    /// Where it is posted.
    pub action: &'p str,
    /// Its token.
    pub csrf_token: &'p str,
    /// Where to go afterwards; empty: the default page.
    pub callback_url: &'p str,
    /// The host one is on the way to.
    pub destination: Option<&'p str>,
    /// The code of what went wrong before.
    pub error: Option<&'p str>,
}

/// The sign-in page for somebody who is signed in.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn<'p> {
    /// Name.
    pub user_name: &'p str,
    /// E-mail address.
    pub user_email: Option<&'p str>,
    /// Where one was on the way to.
    pub continue_url: Option<&'p str>,
    /// Its host.
    pub destination: Option<&'p str>,
    /// Where to sign in as somebody else.
    pub switch_url: &'p str,
    /// Where to sign out.
    pub logout_url: &'p str,
}

/// The sign-out page.
#[derive(Clone, Copy, Debug)]
pub struct Logout<'p> {
    /// Where the form is posted.
    pub action: &'p str,
    /// Its token.
    pub csrf_token: &'p str,
    /// Where to go afterwards.
    pub callback_url: &'p str,
    /// Who is signed in.
    pub user_name: Option<&'p str>,
    /// Whether one has just signed out.
    pub signed_out: bool,
    /// The sign-in page.
    pub login_url: &'p str,
}

/// A satellite's page that shows the session.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'p> {
    /// Name.
    pub user_name: &'p str,
    /// E-mail address.
    pub user_email: Option<&'p str>,
    /// The user's fields.
    pub fields: &'p [(String, String)],
    /// End of the session (RFC 3339).
    pub expires: &'p str,
    /// End of the session, in seconds since 1970.
    pub session_expires: i64,
    /// End of the access token, in seconds since 1970.
    pub access_expires: Option<i64>,
    /// Answers the two ends as JSON.
    pub refreshes_url: &'p str,
    /// Token of the sign-out form.
    pub csrf_token: &'p str,
    /// Where it is posted.
    pub signout_action: &'p str,
    /// Where to go afterwards.
    pub callback_url: &'p str,
    /// The auth server.
    pub auth_home: &'p str,
    /// Names and addresses of other sites.
    pub siblings: &'p [(String, String)],
}

/// A page that the signed-in user may not see.
#[derive(Clone, Copy, Debug)]
pub struct Denied<'p> {
    /// Name.
    pub user_name: &'p str,
    /// E-mail address.
    pub user_email: Option<&'p str>,
    /// What is asked for.
    pub reason: &'p str,
    /// Where to sign in as somebody else.
    pub switch_url: &'p str,
    /// The way out.
    pub home_url: &'p str,
}

/// An error, named by its code.
pub(super) struct ErrorView<'p> {
    pub(super) title: &'p str,
    pub(super) message: &'p str,
    pub(super) request_id: Option<&'p str>,
    pub(super) retry_url: Option<&'p str>,
    pub(super) retry_label: &'p str,
    pub(super) status: u16,
}

/// What every page has around it is named beside the page's own values.
macro_rules! page {
    ($name:ident, $file:literal, $view:ident, { $($field:ident: $type:ty),* }) => {
        #[derive(Template)]
        #[template(path = $file)]
        pub(super) struct $name<'p> {
            pub(super) t: &'p Texts,
            pub(super) lang: &'static str,
            pub(super) brand: &'p Brand,
            pub(super) assets: &'p str,
            pub(super) version: &'p str,
            pub(super) page: $view<'p>,
            $(pub(super) $field: $type),*
        }
    };
}

page!(LoginPage, "login.html", Login, { error: Option<&'p str>, notice: Option<&'p str>, invalid: bool });
page!(SignedInPage, "signed_in.html", SignedIn, {});
page!(LogoutPage, "logout.html", Logout, {});
page!(OverviewPage, "session.html", Overview, {});
page!(DeniedPage, "denied.html", Denied, {});
page!(ErrorPage, "error.html", ErrorView, {});

/// One of the structs above, with its frame.
macro_rules! framed {
    ($pages:expr, $name:ident { $($field:ident: $value:expr),* $(,)? }) => {
        $name {
            t: $pages.t,
            lang: $pages.lang,
            brand: &$pages.kit.brand,
            assets: &$pages.kit.assets_at,
            version: &$pages.kit.assets.version,
            $($field: $value),*
        }
    };
}
pub(super) use framed;

impl Pages<'_> {
    /// The sign-in form; a wrong input is marked, a code of another kind is only told.
    pub fn login(&self, page: Login<'_>) -> Response {
        let message = page.error.map(|code| self.message(code));
        let text = message.as_ref().map(|message| message.text);
        let calm = ["SessionRequired", "RefreshTokenExpired"];
        let is_error = page.error.is_some_and(|code| !calm.contains(&code));
        let view = framed!(
            self,
            LoginPage {
                page: page,
                error: text.filter(|_| is_error),
                notice: text.filter(|_| !is_error),
                invalid: message.is_some_and(|message| message.about_input),
            }
        );
        self.respond(StatusCode::OK, &view)
    }

    /// The sign-in page for somebody who is signed in.
    pub fn signed_in(&self, page: SignedIn<'_>) -> Response {
        self.respond(StatusCode::OK, &framed!(self, SignedInPage { page: page }))
    }

    /// The sign-out page.
    pub fn logout(&self, page: Logout<'_>) -> Response {
        self.respond(StatusCode::OK, &framed!(self, LogoutPage { page: page }))
    }

    /// A satellite's page that shows the session.
    pub fn overview(&self, page: Overview<'_>) -> Response {
        self.respond(StatusCode::OK, &framed!(self, OverviewPage { page: page }))
    }

    /// A page that the signed-in user may not see.
    pub fn denied(&self, page: Denied<'_>) -> Response {
        self.respond(StatusCode::FORBIDDEN, &framed!(self, DeniedPage { page: page }))
    }
}
