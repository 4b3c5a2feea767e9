//! Where clients find a server that is killed and started again and again, and how far all of them
//! together have come.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::PATIENCE;
use super::chance::Chance;
use super::client::{Answer, Client};
use super::lines::Lines;
use super::project::Project;
use super::server::Server;

/// A server as its clients see it. It may be gone by the time they use it.
#[derive(Clone)]
pub struct Place {
    pub client: Client,
    pub log: Lines,
    token: String,
}

impl Place {
    /// Sends an event; nothing if there was no answer. Anything but 202 would be a fault.
    pub fn send(&self, body: &str) -> Option<Answer> {
        let headers = [("content-type", "application/json")];
        let path = "/api/webhooks/ingest";
        let answer = self.client.try_request("POST", path, &headers, body.as_bytes()).ok()?;
        assert_eq!(answer.status, 202, "{}", answer.text());
        Some(answer)
    }

    /// Asks the API; nothing if there was no answer.
    pub fn api(&self, method: &str, path: &str, body: &str) -> Option<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let path = format!("/api/v1{path}");
        let headers = [("authorization", bearer.as_str())];
        self.client.try_request(method, &path, &headers, body.as_bytes()).ok()
    }
}

/// What the clients and the one who kills share.
#[derive(Default)]
pub struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the server is now; nothing while there is none.
    place: Option<Place>,
    /// Answers that clients have got.
    answers: u64,
    over: bool,
}

impl Meeting {
    /// Waits for the server; `None` once it is over.
    pub fn place(&self) -> Option<Place> {
        let mut state = self.state.lock();
        loop {
            if state.over {
                return None;
            }
            if let Some(place) = &state.place {
                return Some(place.clone());
            }
            self.changed.wait(&mut state);
        }
    }

    /// A client has got an answer.
    pub fn answered(&self) {
        self.state.lock().answers += 1;
        self.changed.notify_all();
    }

    /// Waits for so many answers more.
    fn wait_for(&self, more: u64) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state.lock();
        let count = state.answers + more;
        while state.answers < count {
            let timed_out = self.changed.wait_until(&mut state, deadline).timed_out();
            assert!(!timed_out, "{} of {count} answers", state.answers);
        }
    }

    /// Where the server is from now on.
    pub fn serve_at(&self, server: Option<&Server>) {
        let place = |server: &Server| Place {
            client: server.client,
            log: server.log.clone(),
            token: server.token.clone(),
        };
        self.state.lock().place = server.map(place);
        self.changed.notify_all();
    }

    /// Starts the server so many times and kills it when its clients have got some answers: up to
    /// `most`, by chance. `before` is called before each start.
    pub fn kill_again_and_again(
        &self,
        project: &Project,
        chance: &mut Chance,
        (kills, most): (u64, u64),
        mut before: impl FnMut(&mut Chance),
    ) {
        for _ in 0..kills {
            before(chance);
            let server = project.start();
            self.serve_at(Some(&server));
            self.wait_for(1 + chance.below(most));
            self.serve_at(None);
            server.kill();
        }
    }

    pub fn end(&self) {
        self.state.lock().over = true;
        self.changed.notify_all();
    }
}
