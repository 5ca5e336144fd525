//! The store of many auth servers: Redis.
//!
//! Why: replicas share leases, results, revocations and counters, so that they act as one. Redis is a neighbour like any
//! other: it is asked with a short patience and left alone when it does not answer (threat-model R8), and what it says is
//! not believed (R9): results are sealed by whoever keeps them, and each revocation carries a tag that only the
//! deployment's secret makes.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hallpass_shared::{
    breaker::Breaker,
    key::Key,
    revocation::Revocation,
    store::{
        Answer, Claim, Claimed, Cursor, Kept, Lease, Limit, Page, Past, Reach, Store, StoreError, StoreKey,
        Written,
    },
};
use redis::{
    FromRedisValue, Pipeline, RedisError, ScriptInvocation, Value,
    streams::{StreamId, StreamRangeReply},
};

mod address;
mod scripts;

pub use address::RedisAddress;
use address::{Connection, PATIENCE};
use scripts::PREFIX;

const MOST_BYTES: usize = 64 * 1024;
const PAGE: usize = 4000;
/// A field of an entry of the stream: it holds 24 bytes and their tag.
const FIELD: &str = "r";
const TAG: usize = 16;

/// A store in Redis.
#[derive(Debug)]
pub struct Redis {
    address: RedisAddress,
    keys: Vec<Key>,
    longest: Duration,
    connection: tokio::sync::Mutex<Option<Connection>>,
    breaker: Breaker,
}

impl Redis {
    /// At `address`; `keys`, the newest first, vouch for revocations, which live `longest` at most.
    pub fn new(address: RedisAddress, keys: Vec<Key>, longest: Duration) -> Self {
        let (connection, breaker) = (tokio::sync::Mutex::default(), Breaker::default());
        Self { address, keys, longest, connection, breaker }
    }

    async fn connection(&self) -> Result<Connection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(connection) = &*connection {
            return Ok(connection.clone());
        }
        Ok(connection.insert(self.address.connect().await?).clone())
    }

    /// Asks, in a bounded time.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, StoreError> {
        if self.breaker.enter().is_err() {
            return Err(StoreError::new("Redis did not answer lately"));
        }
        let asked = async {
            let mut connection = self.connection().await?;
            question(&mut connection).await
        };
        match tokio::time::timeout(PATIENCE * 2, asked).await {
            Ok(Ok(answer)) => {
                self.breaker.answered();
                Ok(answer)
            }
            Ok(Err(error)) => {
                if error.is_unrecoverable_error() || error.is_io_error() || error.is_timeout() {
                    self.lost().await;
                } else {
                    self.breaker.answered();
                }
                Err(StoreError::caused("Redis failed", error))
            }
            Err(_) => {
                self.lost().await;
                Err(StoreError::new("Redis does not answer"))
            }
        }
    }

    async fn lost(&self) {
        self.breaker.failed();
        self.connection.lock().await.take();
    }

    async fn script<T: FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.ask(async |connection| match connection {
            Connection::Single(connection) => invocation.invoke_async(connection).await,
            Connection::Cluster(connection) => invocation.invoke_async(connection).await,
        })
        .await
    }

    async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, StoreError> {
        self.ask(async |connection| match connection {
            Connection::Single(connection) => pipeline.query_async(connection).await,
            Connection::Cluster(connection) => pipeline.query_async(connection).await,
        })
        .await
    }

    fn tagged(&self, revocation: Revocation) -> Result<Vec<u8>, StoreError> {
        let bytes = revocation.to_bytes();
        let key = self.keys.first().ok_or_else(|| StoreError::new("there is no key for the store"))?;
        let tag = tag(key, &bytes).ok_or_else(|| StoreError::new("a revocation could not be tagged"))?;
        Ok([&bytes[..], &tag].concat())
    }

    /// What one of us has written; anything else is not believed (threat-model R9).
    fn untagged(&self, entry: &StreamId) -> Option<Revocation> {
        let bytes: Vec<u8> = entry.get(FIELD)?;
        let (bytes, sent) = bytes.split_first_chunk::<24>()?;
        let ours = self.keys.iter().any(|key| tag(key, bytes).is_some_and(|tag| same(&tag, sent)));
        ours.then(|| Revocation::from_bytes(bytes))
    }
}

/// HMAC-SHA256 (RFC 2104), its first half.
fn tag(key: &Key, bytes: &[u8]) -> Option<[u8; TAG]> {
    let key = openssl::pkey::PKey::hmac(key.bytes()).ok()?;
    let mut signer = openssl::sign::Signer::new(openssl::hash::MessageDigest::sha256(), &key).ok()?;
    signer.sign_oneshot_to_vec(bytes).ok()?.first_chunk::<TAG>().copied()
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && openssl::memcmp::eq(one, other)
}

fn name(kind: &str, key: &StoreKey) -> String {
    format!("{PREFIX}{kind}:{}", URL_SAFE_NO_PAD.encode(key))
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn stream() -> String {
    format!("{PREFIX}revocations")
}

impl Store for Redis {
    fn claim(&self, key: StoreKey, lease: Lease, span: Duration) -> Answer<'_, Claim> {
        Box::pin(async move {
            let mut invocation = scripts::CLAIM.prepare_invoke();
            invocation.key(name("result", &key)).key(name("lease", &key)).key(name("unclaimed", &key));
            invocation.arg(&lease.to_bytes()).arg(milliseconds(span)).arg(MOST_BYTES);
            match self.script::<(u8, Value)>(&invocation).await? {
                (1, Value::BulkString(value)) => Ok(Claim::Kept(value)),
                (2, Value::Int(superseded)) => {
                    Ok(Claim::Leased(if superseded == 1 { Past::Superseded } else { Past::Unknown }))
                }
                (3, Value::Int(left)) => {
                    Ok(Claim::Busy(Duration::from_millis(u64::try_from(left).unwrap_or(0))))
                }
                _ => Err(StoreError::new("Redis answered nonsense")),
            }
        })
    }

    fn keep<'a>(&'a self, lease: Lease, kept: &'a Kept) -> Answer<'a, Written> {
        Box::pin(async move {
            let mut invocation = scripts::KEEP.prepare_invoke();
            invocation.key(name("result", &kept.spent)).key(name("lease", &kept.spent));
            invocation.key(name("spent-for", &kept.spent));
            invocation.key(name("spent-for", &kept.granted.unwrap_or_default()));
            invocation.key(name("unclaimed", &kept.spent));
            invocation.arg(&lease.to_bytes()).arg(&kept.value).arg(milliseconds(kept.span()));
            invocation.arg(format!("{PREFIX}result:")).arg(URL_SAFE_NO_PAD.encode(kept.spent));
            invocation.arg(u8::from(kept.granted.is_some()));
            invocation.arg(match kept.claimed {
                Claimed::Already => 0,
                Claimed::NotYet(_) => milliseconds(kept.grace),
            });
            let written: u8 = self.script(&invocation).await?;
            Ok(if written == 1 { Written::Yes } else { Written::LeaseLost })
        })
    }

    fn release(&self, key: StoreKey, lease: Lease) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut invocation = scripts::RELEASE.prepare_invoke();
            invocation.key(name("lease", &key)).arg(&lease.to_bytes());
            self.script::<u8>(&invocation).await.map(drop)
        })
    }

    fn forget(&self, key: StoreKey) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut pipeline = redis::pipe();
            pipeline.del(name("result", &key)).ignore();
            self.pipeline::<()>(&pipeline).await
        })
    }

    fn revoke<'a>(&'a self, revocations: &'a [Revocation]) -> Answer<'a, ()> {
        Box::pin(async move {
            let longest = milliseconds(self.longest);
            for page in revocations.chunks(PAGE) {
                let mut pipeline = redis::pipe();
                for revocation in page {
                    // Older ones are over: none of theirs could live longer.
                    let at = u64::try_from(revocation.at.as_seconds()).unwrap_or(0).saturating_mul(1000);
                    let added = pipeline.cmd("XADD").arg(stream()).arg("MINID").arg("~");
                    added
                        .arg(at.saturating_sub(longest))
                        .arg("*")
                        .arg(FIELD)
                        .arg(self.tagged(*revocation)?)
                        .ignore();
                }
                let expiry = i64::try_from(longest).unwrap_or(i64::MAX);
                pipeline.pexpire(stream(), expiry).ignore();
                self.pipeline::<()>(&pipeline).await?;
            }
            Ok(())
        })
    }

    fn revocations<'a>(&'a self, cursor: &'a Cursor) -> Answer<'a, Page> {
        Box::pin(async move {
            let mut invocation = scripts::READ.prepare_invoke();
            invocation.key(format!("{PREFIX}epoch")).key(stream());
            invocation.arg(uuid::Uuid::new_v4().to_string()).arg(&cursor.0).arg(PAGE);
            let (epoch, read): (String, StreamRangeReply) = self.script(&invocation).await?;
            let revocations: Vec<_> = read.ids.iter().filter_map(|entry| self.untagged(entry)).collect();
            let strange = read.ids.len() - revocations.len();
            if strange > 0 {
                tracing::warn!(
                    event = "store",
                    count = strange,
                    "sign-outs in Redis carry no tag of our secrets and are passed over: those of a secret that was \
                     dropped, or somebody else's"
                );
            }
            let last = read.ids.last().map(|entry| Cursor(entry.id.clone()));
            Ok(Page {
                more: read.ids.len() == PAGE,
                revocations,
                cursor: last.unwrap_or_else(|| cursor.clone()),
                epoch,
            })
        })
    }

    fn count<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, Result<(), Duration>> {
        Box::pin(async move {
            let mut invocation = scripts::COUNT.prepare_invoke();
            for limit in limits {
                invocation.key(name("count", &limit.counter)).arg(limit.most).arg(milliseconds(limit.per));
            }
            let wait: u64 = self.script(&invocation).await?;
            Ok(if wait == 0 { Ok(()) } else { Err(Duration::from_millis(wait)) })
        })
    }

    fn give_back<'a>(&'a self, limits: &'a [Limit]) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut invocation = scripts::GIVE_BACK.prepare_invoke();
            for limit in limits {
                invocation.key(name("count", &limit.counter));
            }
            self.script::<u8>(&invocation).await.map(drop)
        })
    }

    fn reach(&self) -> Reach {
        Reach::Everybody
    }

    fn health(&self) -> Result<String, String> {
        Ok(format!("Redis at {:?}", self.address))
    }
}
