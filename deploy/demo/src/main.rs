//! Hallpass for a first look: an auth server and three satellites in one process, with two users in a file.
//!
//! Why: what this project does is best seen by signing in. Browsers resolve `*.localhost` to this machine, so
//! there is nothing to set up; lifetimes are short, so that renewals can be watched.

use std::{
    io::{self, Write as _},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};

use clap::Parser;
use hallpass_demo::{hosts, world};
use hallpass_shared::{
    process::ShutdownSignals,
    server::{Limits, serve},
    telemetry::{self, LogFormat},
};
use tokio::net::TcpListener;

/// Sign in once, be signed in on every subdomain: a demonstration on this machine.
#[derive(Debug, Parser)]
#[command(name = "hallpass-demo", version)]
struct Arguments {
    /// The port that all sites share.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// What to log, such as `info`.
    #[arg(long, default_value = "warn")]
    log: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "hallpass-demo: {problem:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    telemetry::init(LogFormat::Pretty, &arguments.log)?;
    // From here on, so that the users file goes whenever the end comes.
    let mut signals = ShutdownSignals::catch()?;
    let port = arguments.port;
    let v4 = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    let port = v4.local_addr()?.port();
    // Browsers may try either address of localhost.
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
    let internal = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let world = world::World::build(port, internal.local_addr()?).await?;
    writeln!(io::stdout(), "{}", welcome(port))?;

    let limits = || Limits { connections: 1000, trusted: Vec::new() };
    let router = hosts::by_name(world.sites.clone());
    let second = async {
        match v6 {
            Some(v6) => serve(v6, router.clone(), limits(), std::future::pending()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = serve(v4, router.clone(), limits(), std::future::pending()) => served?,
        served = second => served?,
        served = serve(internal, world.auth_server.clone(), limits(), std::future::pending()) => served?,
        _ = signals.wait() => {}
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "port {} is taken; choose another one: --port {}",
                address.port(),
                address.port() + 1
            )
        }
        io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!(
                "port {} needs more rights than you have; choose one above 1023: --port 8080",
                address.port()
            )
        }
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")),
    })
}

fn welcome(port: u16) -> String {
    format!(
        "
  Hallpass demo

    http://app.example.localhost:{port}     an app: shows your session
    http://admin.example.localhost:{port}   for admins only
    http://shop.example.localhost:{port}    an app that knows nothing of Hallpass, behind its proxy
    http://auth.example.localhost:{port}    the sign-in itself

  Sign in as

    user@example.com    hallpass-demo     an ordinary user
    admin@example.com   hallpass-admin    an admin

  What to try

    1. Open app: you are sent to sign in, and come back to where you were.
    2. Open admin: the same session is there. The ordinary user is told why not.
    3. Watch app: the access token lives {} seconds and is renewed before your eyes.
    4. Open http://app.example.localhost:{port}/storm: fifty requests at once, one refresh.
    5. Open shop: a plain app is told who you are. Its /stock is for admins, its /public for everybody.
    6. Sign out anywhere: you are signed out of every site, and a copy of the cookie is worth nothing. \"On all
       devices\" ends the sessions of your other browsers, too.

  Ctrl-C ends it.
",
        world::ACCESS_SECONDS
    )
}
