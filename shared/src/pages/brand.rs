//! What makes the pages a team's own: name, logo, colours, a style sheet; and the files that pages load.
//!
//! Why: the sign-in page is the one page that every user sees. Everything comes from our own origin under one
//! path, so that the pages' policy can forbid everything else (threat-model B4).

use std::{collections::BTreeMap, path::Path};

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use http::{HeaderValue, header};

use crate::{key::digest, settings::BrandSettings};

/// Where the files are on every host.
pub(crate) const ASSETS: &str = "/api/auth/assets";

/// The brand could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrandError {
    /// A file of the settings cannot be read.
    #[error("{file} cannot be read: {error}; correct the path, or let this process's user read it")]
    Read {
        /// Named by which setting.
        key: &'static str,
        /// Which one.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// The logo's kind is not known by its name.
    #[error("must end in .svg, .png, .jpg or .webp")]
    LogoKind,
    /// A colour is no colour.
    #[error("must have a name in small letters, such as brand-ink, and a CSS colour, such as #0a7")]
    Color(String),
    /// The texts that are part of the program are broken.
    #[error("the texts of the pages cannot be read")]
    Texts(#[from] toml::de::Error),
}

impl BrandError {
    /// The setting it is about.
    pub fn key(&self) -> String {
        match self {
            Self::Read { key, .. } => format!("brand.{key}"),
            Self::LogoKind => "brand.logo_file".into(),
            Self::Color(name) => format!("brand.colors.{name}"),
            Self::Texts(_) => "the program itself".into(),
        }
    }
}

/// What templates show.
#[derive(Debug)]
pub(crate) struct Brand {
    pub(crate) name: String,
    pub(crate) logo: Option<String>,
}

#[derive(Clone, Debug)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    body: Bytes,
}

/// The files that pages load.
#[derive(Debug)]
pub(crate) struct Assets {
    files: Vec<Asset>,
    pub(crate) version: String,
}

impl Assets {
    pub(crate) fn load(settings: &BrandSettings, at: &str) -> Result<(Brand, Self), BrandError> {
        const CSS: &str = "text/css; charset=utf-8";
        let fixed =
            |path, kind, body: &'static str| Asset { path, kind, body: Bytes::from_static(body.as_bytes()) };
        let mut files = vec![
            fixed("hallpass.css", CSS, include_str!("../../assets/hallpass.css")),
            fixed("hallpass.js", "text/javascript; charset=utf-8", include_str!("../../assets/hallpass.js")),
            fixed("favicon.svg", "image/svg+xml", include_str!("../../assets/favicon.svg")),
        ];
        let mut css = color_rules(&settings.colors)?.into_bytes();
        if let Some(file) = &settings.css_file {
            css.extend(read("css_file", file)?);
        }
        files.push(Asset { path: "brand.css", kind: CSS, body: css.into() });
        if let Some(file) = &settings.logo_file {
            files.push(Asset {
                path: "logo",
                kind: image_kind(file)?,
                body: read("logo_file", file)?.into(),
            });
        }
        let mut all = String::new();
        for file in &files {
            all.push_str(&String::from_utf8_lossy(&file.body));
        }
        let [a, b, c, d, ..] = digest("assets", &all);
        let version = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
        let logo = settings.logo_file.is_some().then(|| format!("{at}/logo?v={version}"));
        Ok((Brand { name: settings.name.clone(), logo }, Self { files, version }))
    }

    pub(crate) fn router(&self) -> Router {
        let mut router = Router::new();
        for file in self.files.clone() {
            router = router.route(&format!("{ASSETS}/{}", file.path), get(async move || serve(file.clone())));
        }
        router
    }
}

/// The address carries a version, so a browser may keep what it got.
fn serve(file: Asset) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(file.kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        // An SVG opened on its own is a document too.
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
        ),
    ];
    (headers, file.body).into_response()
}

fn read(key: &'static str, file: &Path) -> Result<Vec<u8>, BrandError> {
    std::fs::read(file).map_err(|error| BrandError::Read { key, file: file.display().to_string(), error })
}

fn image_kind(file: &Path) -> Result<&'static str, BrandError> {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok("image/svg+xml"),
        Some("png") => Ok("image/png"),
        Some("jpg" | "jpeg") => Ok("image/jpeg"),
        Some("webp") => Ok("image/webp"),
        _ => Err(BrandError::LogoKind),
    }
}

fn color_rules(colors: &BTreeMap<String, String>) -> Result<String, BrandError> {
    let name_char = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    let value_char = |byte: u8| byte.is_ascii_alphanumeric() || b"#(),.%/ -".contains(&byte);
    let mut rules = String::new();
    for (name, value) in colors {
        let fits = !name.is_empty() && name.bytes().all(name_char);
        if !fits || value.is_empty() || !value.bytes().all(value_char) {
            return Err(BrandError::Color(name.clone()));
        }
        rules.push_str("--");
        rules.push_str(name);
        rules.push(':');
        rules.push_str(value);
        rules.push(';');
    }
    Ok(if rules.is_empty() { rules } else { format!(":root{{{rules}}}\n") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_cannot_smuggle_in_other_rules() {
        let rules = |name: &str, value: &str| color_rules(&BTreeMap::from([(name.into(), value.into())]));
        assert_eq!(rules("brand", "oklch(60% 0.2 30)").unwrap(), ":root{--brand:oklch(60% 0.2 30);}\n");
        assert!(rules("brand", "red;} body{display:none").is_err());
        assert!(rules("Brand", "red").is_err());
        assert!(rules("brand", "").is_err());
    }
}
