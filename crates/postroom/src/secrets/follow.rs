//! Follows the places of secrets while a server runs: files are looked at every two seconds and at
//! SIGHUP, Vault is asked before what it gave runs out.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Keeper;

/// The time between two looks at the files. A handful of files, and nothing is read until one has
/// changed.
const LOOK: Duration = Duration::from_secs(2);

/// Follows until told to stop. Vault is asked after this long.
pub(crate) async fn follow(keeper: Arc<Keeper>, stop: CancellationToken, next: Duration) {
    // Where the system does not tell of the signal, files are looked at all the same.
    let mut hangup = signal(SignalKind::hangup()).ok();
    let asked = async {
        if keeper.vault.is_some() {
            ask_on(&keeper, next).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::pin!(asked);
    loop {
        let signalled = async {
            match &mut hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = &mut asked => {}
            () = signalled => {
                let faults = keeper.look(true);
                if let Some(vault) = &keeper.vault {
                    vault.ask_now();
                }
                tell(&faults);
                info!("SIGHUP: secrets were read again");
            }
            () = tokio::time::sleep(LOOK) => {
                let before = postroom_engine::Secrets::edition(&*keeper);
                let faults = keeper.look(false);
                tell(&faults);
                if postroom_engine::Secrets::edition(&*keeper) != before && faults.is_empty() {
                    info!("a file of secrets has changed: secrets were read again");
                }
            }
        }
    }
}

fn tell(faults: &[postroom_core::Problem]) {
    for fault in faults {
        warn!(code = fault.kind.code, "{}; what was read before stays in use", fault.detail);
    }
}

/// Asks Vault again and again.
async fn ask_on(keeper: &Keeper, mut next: Duration) {
    let Some(vault) = &keeper.vault else { return };
    loop {
        vault.wait(next).await;
        next = keeper.ask().await;
    }
}

impl Keeper {
    /// Asks Vault once, if there is one; says after how long to ask again.
    pub async fn ask(&self) -> Duration {
        let Some(vault) = &self.vault else { return Duration::MAX };
        let (state, wait) = vault.ask(self).await;
        if let Some(fault) = &state.fault {
            warn!(code = fault.kind.code, "{}", fault.detail);
        }
        self.told(state);
        wait
    }
}
