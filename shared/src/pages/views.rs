//! The templates' values, page by page.
//!
//! Why: a template shows what its struct holds and nothing else; each public struct is what a server knows when
//! it shows that page.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{ASSETS, Brand, Pages, Texts};

/// What every page has around it.
pub(super) struct Frame<'p> {
    pub(super) t: &'p Texts,
    pub(super) lang: &'static str,
    pub(super) brand: &'p Brand,
    pub(super) version: &'p str,
}

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

/// Names `t`, `lang`, `brand`, `assets` and `version`, which the templates use, beside a page's own values.
macro_rules! page {
    ($name:ident, $file:literal, { $($field:ident: $type:ty),* $(,)? }) => {
        #[derive(Template)]
        #[template(path = $file)]
        struct $name<'p> {
            t: &'p Texts,
            lang: &'static str,
            brand: &'p Brand,
            assets: &'static str,
            version: &'p str,
            $($field: $type),*
        }
    };
}
