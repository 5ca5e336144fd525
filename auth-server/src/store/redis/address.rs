//! Where Redis is: one server, the master that sentinels name, or a cluster.
//!
//! Why: each is one URL in the settings, and a connection is made the same way for all.
//!
//! - `redis://user:password@host:6379/0`, `rediss://` with TLS
//! - `redis+sentinel://user:password@sentinel-a:26379,sentinel-b:26379/master-name/0`
//! - `redis+cluster://user:password@a:7000,b:7000`; both `rediss+…` with TLS

use std::{fmt, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, RedisConnectionInfo, RedisError, TlsMode,
    aio::MultiplexedConnection,
    cluster::{ClusterClient, ClusterConfig},
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelNodeConnectionInfo, SentinelServerType},
};
use url::Url;

/// Redis answers in a millisecond or is not to be waited for (threat-model R8).
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
/// Somebody looks whether it is there: a name to be found, a cluster to be learned.
const LONGEST_PING: Duration = Duration::from_secs(3);

/// Where Redis is.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    kind: Kind,
    /// `redis://host:port` of each node, with user and password.
    nodes: Vec<String>,
    /// For messages.
    shown: String,
}

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Single,
    Sentinel { master: String, login: Login },
    Cluster,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Login {
    username: Option<String>,
    password: Option<String>,
    db: i64,
    tls: bool,
}

/// Without user and password.
impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

const EXPECTED: &str = "is not redis://host:6379, rediss://host:6379, redis+sentinel://host:26379,host:26379/master-name or \
                        redis+cluster://host:6379,host:6379";

impl RedisAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// What is expected.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or(EXPECTED)?;
        let (transport, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(transport, "redis" | "rediss") {
            return Err(EXPECTED);
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) =
            authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
        let at = if login.is_empty() { String::new() } else { format!("{login}@") };
        let shown = format!("{scheme}://{hosts}");
        let node = |host: &str, login: &str, path: &str| {
            let url = format!("{transport}://{login}{host}{path}");
            let named = Url::parse(&url).is_ok_and(|url| url.host_str().is_some_and(|host| !host.is_empty()));
            if named && Client::open(url.as_str()).is_ok() { Ok(url) } else { Err(EXPECTED) }
        };
        let (kind, nodes) = match kind {
            "" => {
                let path = if path.is_empty() { String::new() } else { format!("/{path}") };
                (Kind::Single, vec![node(hosts, &at, &path)?])
            }
            "cluster" if path.is_empty() => {
                (Kind::Cluster, hosts.split(',').map(|host| node(host, &at, "")).collect::<Result<_, _>>()?)
            }
            "sentinel" => {
                let (master, db) = path.split_once('/').unwrap_or((path, "0"));
                if master.is_empty() {
                    return Err(EXPECTED);
                }
                let login = Login { db: db.parse().map_err(|_| EXPECTED)?, ..Login::of(transport, &at)? };
                let nodes = hosts.split(',').map(|host| node(host, "", "")).collect::<Result<_, _>>()?;
                (Kind::Sentinel { master: master.into(), login }, nodes)
            }
            _ => return Err(EXPECTED),
        };
        Ok(Self { kind, nodes, shown })
    }

    pub(super) async fn connect(&self) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        match &self.kind {
            Kind::Single => {
                let client = Client::open(self.nodes.first().map(String::as_str).unwrap_or_default())?;
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(Connection::Single(connection))
            }
            Kind::Sentinel { master, login } => {
                let nodes = self.nodes.clone();
                let info = login.info();
                let kind = SentinelServerType::Master;
                let mut client = SentinelClient::build(nodes, master.clone(), Some(info), kind)?;
                Ok(Connection::Single(client.get_async_connection_with_config(&config).await?))
            }
            Kind::Cluster => {
                let client = ClusterClient::new(self.nodes.clone())?;
                let config =
                    ClusterConfig::new().set_connection_timeout(PATIENCE).set_response_timeout(PATIENCE);
                Ok(Connection::Cluster(client.get_async_connection_with_config(config).await?))
            }
        }
    }

    /// Asks once whether Redis is there and lets us in.
    ///
    /// # Errors
    /// What is wrong, without the password.
    pub async fn ping(&self) -> Result<(), String> {
        let asked = async {
            let ping = redis::cmd("PING");
            match self.connect().await? {
                Connection::Single(mut connection) => ping.query_async::<String>(&mut connection).await,
                Connection::Cluster(mut connection) => ping.query_async(&mut connection).await,
            }
        };
        match tokio::time::timeout(LONGEST_PING, asked).await {
            Ok(answered) => answered.map(drop).map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", LONGEST_PING.as_secs())),
        }
    }
}

impl Login {
    fn of(transport: &str, at: &str) -> Result<Self, &'static str> {
        use redis::IntoConnectionInfo as _;
        let info = format!("{transport}://{at}localhost").into_connection_info().map_err(|_| EXPECTED)?;
        let settings = info.redis_settings();
        let text = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self {
            username: text(settings.username()),
            password: text(settings.password()),
            db: 0,
            tls: transport == "rediss",
        })
    }

    fn info(&self) -> SentinelNodeConnectionInfo {
        let mut info = RedisConnectionInfo::default().set_db(self.db);
        if let Some(username) = &self.username {
            info = info.set_username(username);
        }
        if let Some(password) = &self.password {
            info = info.set_password(password);
        }
        let node = SentinelNodeConnectionInfo::default().set_redis_connection_info(info);
        if self.tls { node.set_tls_mode(TlsMode::Secure) } else { node }
    }
}

/// A connection that many may use at a time.
#[derive(Clone)]
pub(super) enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}
