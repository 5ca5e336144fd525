//! An axum app behind Hallpass: typed users, a public page, and a route for admins only.
//!
//! Run it beside an auth server: `cargo run --example protected -p hallpass-satellite -- hallpass.toml`.

use axum::{Router, response::Html, routing::get};
use hallpass_satellite::{CurrentSession, Satellite, Settings, Sources, claim, require};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    email: String,
    first_name: Option<String>,
    #[serde(default)]
    is_admin: bool,
}

/// Anybody may come here.
async fn home(session: Option<CurrentSession<User>>) -> Html<&'static str> {
    Html(if session.is_some() { "<a href=/me>Your page</a>" } else { "<a href=/me>Sign in</a>" })
}

/// Only somebody who is signed in: others are sent to the auth server and come back here.
async fn me(CurrentSession(session): CurrentSession<User>) -> String {
    let User { email, first_name, is_admin } = session.user;
    format!("Hello {}, {email}, admin: {is_admin}", first_name.unwrap_or_default())
}

/// Only admins: decided before this runs.
async fn admin() -> &'static str {
    "Welcome, admin"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = std::env::args().skip(1).map(Into::into).collect();
    let texts = Sources { files, environment: Vec::new() }.read()?;
    let settings = Settings::read(&texts)?;
    let address = settings.shared.server.listen;
    let satellite = Satellite::build(settings)?;

    let admins =
        Router::new().route("/admin", get(admin)).route_layer(require(claim("/isAdmin").equals(true)));
    let app = Router::new().route("/", get(home)).route("/me", get(me)).merge(admins);

    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, satellite.protect(app)).await?;
    Ok(())
}
