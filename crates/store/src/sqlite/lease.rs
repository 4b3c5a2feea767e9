//! From what the schedule hands out to what an owner needs: reads the rows of claimed runs, and
//! gives back what cannot be read.

use postroom_core::RunId;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::writer::Request;
use super::{Sqlite, rows};
use crate::schedule::Waiting;
use crate::{Error, Fence, Lease};

/// How soon a run that could not be read is claimed again, in milliseconds.
const UNREAD_MS: i64 = 1_000;

fn rights(claimed: &[(Waiting, Fence)]) -> Vec<(RunId, Fence)> {
    claimed.iter().map(|(waiting, fence)| (waiting.id, *fence)).collect()
}

impl Sqlite {
    /// Reads what owners need of claimed runs, in the order in which they were claimed.
    pub(super) async fn lease(
        &self,
        claimed: Vec<(Waiting, Fence)>,
        now_ms: i64,
    ) -> Result<Vec<Lease>, Error> {
        let claimed = self.readable(claimed, now_ms).await;
        let stored = claimed.iter().filter(|(waiting, _)| waiting.fresh.is_none());
        let ids: Vec<RunId> = stored.map(|(waiting, _)| waiting.id).collect();
        let loaded = if ids.is_empty() {
            Ok(Vec::new())
        } else {
            let load = move |connection: &Connection| {
                Ok(ids.iter().map(|id| rows::load(connection, *id)).collect::<Vec<_>>())
            };
            self.read(load).await
        };
        let mut loaded = match loaded {
            Ok(loaded) => loaded.into_iter(),
            Err(error) => {
                // Nobody would work on these before their lease ends.
                self.hand_back(rights(&claimed), now_ms);
                return Err(error);
            }
        };
        let mut leases = Vec::with_capacity(claimed.len());
        for (waiting, fence) in claimed {
            let losses = waiting.losses;
            let lease = match waiting.fresh {
                Some(fresh) => {
                    let (run, event) = (fresh.run, fresh.event);
                    Some(Lease { run, fence, event, journal: Vec::new(), losses })
                }
                None => match loaded.next() {
                    Some(found) => self.take_up(waiting.id, fence, found, now_ms)?,
                    None => None,
                },
            };
            leases.extend(lease);
        }
        Ok(leases)
    }

    /// Claimed runs whose rows the tables hold as they are now. Others can only be read when the
    /// tables can be written again; they are given back until then.
    async fn readable(&self, claimed: Vec<(Waiting, Fence)>, now_ms: i64) -> Vec<(Waiting, Fence)> {
        let stored = claimed.iter().filter(|(waiting, _)| waiting.fresh.is_none());
        let last = stored.map(|(waiting, _)| waiting.written).max().unwrap_or(0);
        if self.shared.backlog.reached(last).await {
            return claimed;
        }
        let applied = self.shared.backlog.applied_now();
        let (readable, others): (Vec<_>, Vec<_>) = claimed
            .into_iter()
            .partition(|(waiting, _)| waiting.fresh.is_some() || waiting.written <= applied);
        self.hand_back(rights(&others), now_ms);
        readable
    }

    /// Makes a lease of a run that was read, unless it was taken away meanwhile.
    fn take_up(
        &self,
        id: RunId,
        fence: Fence,
        found: Result<Option<rows::Loaded>, Error>,
        now_ms: i64,
    ) -> Result<Option<Lease>, Error> {
        let loaded = match found {
            Ok(loaded) => loaded,
            Err(Error::Corrupt { reason }) => {
                self.shared.inbox.send(Request::Bury(id, reason, now_ms))?;
                return Ok(None);
            }
            Err(_) => {
                self.hand_back(vec![(id, fence)], now_ms);
                return Ok(None);
            }
        };
        let mut schedule = self.shared.schedule.lock();
        let Some(held) = schedule.held(id).filter(|held| held.fence == fence) else {
            return Ok(None);
        };
        let Some(loaded) = loaded else {
            schedule.release(id);
            return Ok(None);
        };
        held.rows = loaded.rows;
        let losses = held.losses;
        let (run, event, journal) = (loaded.run, loaded.event, loaded.journal);
        Ok(Some(Lease { run, fence, event, journal, losses }))
    }

    /// Gives back what cannot be read at present. It is due again a little later, so that what can
    /// be read gets its turn meanwhile.
    fn hand_back(&self, held: Vec<(RunId, Fence)>, now_ms: i64) {
        if held.is_empty() {
            return;
        }
        // Nobody waits for the answer; a store that is closed needs none.
        let (answer, _) = oneshot::channel();
        let request = Request::GiveBack { held, now_ms, delay_ms: UNREAD_MS, answer };
        let _ = self.shared.inbox.send(request);
    }
}
