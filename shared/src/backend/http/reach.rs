//! Whether a backend can be reached, and if not, what may be in the way.
//!
//! Why: a wrong address is found before the first sign-in, by `check` and at the start, with the setting it stands in.

use http::Method;
use url::{Host, Url};

use super::{
    super::{call::Step, reply::address_of},
    HttpBackend,
};
use crate::telemetry::causes;

impl HttpBackend {
    /// Whether the address of sign-ins answers, in a sentence. Nothing is signed in.
    ///
    /// # Errors
    /// What is wrong and what to do, in a sentence.
    pub async fn reach(&self) -> Result<String, String> {
        let setting = address_of(self.protocol, Step::SignIn);
        let asked = self.sign_in_client.request(Method::OPTIONS, self.calls.sign_in.call.url.clone());
        // Without its query, which may hold a key.
        let mut url = self.calls.sign_in.call.url.clone();
        url.set_query(None);
        match asked.send().await {
            Err(error) => {
                let hint = way_to(&url, &error);
                let cause = causes(&error.without_url());
                Err(format!("backend: {url} does not answer (setting `{setting}`): {cause}{hint}"))
            }
            Ok(response) if response.status().is_server_error() => {
                Err(format!("backend: {url} (setting `{setting}`) fails with {}", response.status()))
            }
            Ok(response) if response.status().is_redirection() => {
                let problem = "redirects, which is never followed";
                Err(format!("backend: {url} {problem}; set {setting} to where it leads (a missing slash?)"))
            }
            Ok(response) if response.status().as_u16() == 404 => {
                let doubt = format!("if nobody can sign in, look at {setting}");
                Ok(format!("backend: {url} answers, but says 404 to OPTIONS; {doubt}"))
            }
            Ok(_) => Ok(format!("backend: {url} answers")),
        }
    }
}

/// What is often in the way where containers are.
fn way_to(url: &Url, error: &reqwest::Error) -> &'static str {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match error.is_connect() {
        true if is_here => "; in a container this address is that of the container itself",
        true if error.is_timeout() => {
            "; nothing refused it either, so a firewall, a NetworkPolicy or a container's network may be in the way"
        }
        _ => "",
    }
}
