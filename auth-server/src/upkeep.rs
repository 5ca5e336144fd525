//! What goes on beside requests: the store, sign-outs on their way, renewals.
//!
//! Why: these parts know each other and live as long as the process; everything else asks them.

use std::sync::Arc;

use futures_util::FutureExt as _;
use hallpass_shared::{
    admin::Finding,
    clock::Clock,
    refresh::Refresher,
    renewal::{Keeping, Renewal, TokenSource},
    revocation::Revocations,
    settings::SharedSettings,
    store::{Reach, Store},
};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{
    BuildError,
    backend::Backend,
    ledger::Ledger,
    renewal::Guarded,
    store::{StoreSettings, Surroundings},
};

/// The parts; their task ends with them.
#[derive(Debug)]
pub(crate) struct Upkeep {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) refresher: Arc<dyn Refresher>,
    pub(crate) renewal: Arc<Renewal>,
    clock: Arc<dyn Clock>,
    following: JoinHandle<()>,
}

impl Upkeep {
    /// Opens the store and reads what it holds, so that nobody is admitted who was signed out before a restart.
    pub(crate) fn start(
        store: StoreSettings,
        shared: &SharedSettings,
        backend: &Arc<Backend>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let (clock, lifetime) = (Arc::clone(clock), shared.lifetime);
        let longest = lifetime.absolute_max_age;
        let store = store.open(&Surroundings { clock: Arc::clone(&clock), ring: &shared.ring, longest })?;
        let revocations = Arc::new(match store.reach() {
            Reach::Everybody => shared.when_unreachable.list(clock.now()),
            _ => Revocations::default(),
        });
        let ledger = Ledger::new(Arc::clone(&revocations), Arc::clone(&store), Arc::clone(&clock));
        let ledger = Arc::new(ledger);
        if store.reach() != Reach::Everybody {
            // What is in memory needs no waiting.
            ledger.read().now_or_never().unwrap_or(Ok(()))?;
        }
        let keeping = Keeping { dialect: shared.dialect, ring: shared.ring.clone(), grace: shared.grace };
        let source = Arc::clone(backend) as Arc<dyn TokenSource>;
        let renewal = Arc::new(Renewal::new(source, Arc::clone(&store), keeping, Arc::clone(&clock)));
        let refresher = Guarded {
            renewal: Arc::clone(&renewal),
            ledger: Arc::clone(&ledger),
            lifetime,
            grace: shared.grace,
            clock: Arc::clone(&clock),
        };
        let following = runtime.spawn(Arc::clone(&ledger).follow());
        let refresher = Arc::new(refresher);
        Ok(Self { store, revocations, ledger, refresher, renewal, clock, following })
    }

    /// How the parts are, for an operator.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let store = match self.store.health() {
            Ok(well) => Finding::good("store", well),
            // Requests are served all the same: taking every replica out would be the outage.
            Err(impaired) => Finding::impaired("store", impaired),
        };
        let backend = if self.renewal.is_shut() {
            Finding::impaired("backend", "it does not answer renewals; it is tried again every few seconds")
        } else {
            Finding::good("backend", "nothing is known against it")
        };
        let (known, unwritten) = self.ledger.counts();
        let detail = format!("{known} sign-outs are known, {unwritten} wait for the store");
        vec![store, backend, Finding::revocations(&self.revocations, self.clock.now(), &detail)]
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.following.abort();
    }
}
