//! The demo's deployment: settings, users, sites.
//!
//! Why: it is wired from the same parts and the same kind of settings file as one in earnest.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::PathBuf,
};

use axum::Router;
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use hallpass_auth_server::{App, Settings as AuthSettings, backend::hash_password};
use hallpass_satellite::{Satellite, Settings as SatelliteSettings, claim, require};
use hallpass_shared::{secret::Secret, settings::Texts};

use crate::{shop::Shop, storm::Storm};

/// Life of an access token in the demo.
pub const ACCESS_SECONDS: u32 = 30;

/// Everything that is served.
#[derive(Debug)]
pub struct World {
    /// By host name.
    pub sites: BTreeMap<String, Router>,
    /// Where satellites ask for renewals, as on an internal network.
    pub auth_server: Router,
    _shop: Shop,
    _files: Files,
}

impl World {
    /// Sites on `port`; the auth server is asked at `internal`.
    ///
    /// # Errors
    /// If the users file cannot be written, or the parts cannot be wired.
    pub async fn build(port: u16, internal: SocketAddr) -> anyhow::Result<Self> {
        let files = Files::write()?;
        let shared = shared_settings(port, internal, &files)?;
        let auth = App::build(AuthSettings::read(&Texts::from_toml(&shared)?)?)?;
        let shop = Shop::open().await?;
        let satellite = |name: &str, other: &str, more: &str| -> anyhow::Result<Satellite> {
            let section = format!(
                "[satellite]\nurl = \"http://{name}.example.localhost:{port}\"\n\
                 siblings = [\"http://{other}.example.localhost:{port}/\", \"http://shop.example.localhost:{port}/\", \
                 \"http://app.example.localhost:{port}/storm\"]\n{more}"
            );
            let texts = Texts::from_toml(&format!("{shared}\n{section}"))?;
            Ok(Satellite::build(SatelliteSettings::read(&texts)?)?)
        };
        let app = satellite("app", "admin", "")?;
        let admin = satellite("admin", "app", "")?;
        let proxy = satellite("shop", "app", &before_the_shop(shop.port))?;
        let asked = [("app", &app), ("admin", &admin)].map(|(name, satellite)| {
            (
                format!("{name}.example.localhost:{port}"),
                satellite.hardened(satellite.protect(satellite.built_in_site())),
            )
        });
        let storm = Storm { auth: auth.clone(), satellites: asked.into() };
        let for_admins = admin.built_in_site().route_layer(require(claim("/isAdmin").equals(true)));
        let sites = BTreeMap::from([
            ("auth.example.localhost".to_owned(), auth.router()),
            (
                "app.example.localhost".to_owned(),
                app.hardened(app.protect(app.built_in_site().merge(storm.router()))),
            ),
            ("admin.example.localhost".to_owned(), admin.hardened(admin.protect(for_admins))),
            ("shop.example.localhost".to_owned(), proxy.proxied_site().unwrap_or_default()),
        ]);
        Ok(Self { sites, auth_server: auth.router(), _shop: shop, _files: files })
    }
}

/// The settings of a proxy: the app behind, and who may see what of it.
fn before_the_shop(port: u16) -> String {
    format!(
        "upstream = \"http://127.0.0.1:{port}\"
[[satellite.rules]]
path = \"/public\"
access = \"public\"
[[satellite.rules]]
path = \"/stock\"
require = {{ claim = \"/isAdmin\", equals = true }}
"
    )
}

fn shared_settings(port: u16, internal: SocketAddr, files: &Files) -> anyhow::Result<String> {
    let mut secret = [0; 32];
    openssl::rand::rand_bytes(&mut secret)?;
    Ok(format!(
        "secret = \"{secret}\"
parent_domain = \"example.localhost\"
auth_url = \"http://auth.example.localhost:{port}\"

[brand]
name = \"Hallpass demo\"

[refresh]
auth_server = \"http://{internal}\"
skew = \"5s\"

[backend]
kind = \"users-file\"
users_file = {users:?}
access_ttl = \"{ACCESS_SECONDS}s\"
refresh_ttl = \"1h\"

[store]
url = {store:?}
",
        secret = STANDARD_NO_PAD.encode(secret),
        users = files.users().display().to_string(),
        store = format!("file:{}", files.0.join("hallpass.redb").display()),
    ))
}

/// The files of this run, in a folder that is deleted at the end.
#[derive(Debug)]
struct Files(PathBuf);

impl Files {
    fn write() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("hallpass-demo-{}", std::process::id()));
        // Left by another process of this number, if any.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        // Deleted also if what follows fails.
        let files = Self(path);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(files.users())?;
        for (id, email, password, name, admin) in [
            ("1", "user@example.com", "hallpass-demo", "Zoë Novotná", false),
            ("2", "admin@example.com", "hallpass-admin", "Adam Správce", true),
        ] {
            let hash = hash_password(&Secret::new(password))?;
            let (first, last) = name.split_once(' ').unwrap_or((name, ""));
            writeln!(
                file,
                "[[user]]\nid = \"{id}\"\nemail = \"{email}\"\npassword_hash = \"{hash}\"\n\
                 [user.fields]\nname = \"{name}\"\nfirstName = \"{first}\"\nlastName = \"{last}\"\n\
                 isAdmin = {admin}\n"
            )?;
        }
        Ok(files)
    }

    fn users(&self) -> PathBuf {
        self.0.join("users.toml")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
