//! Secrets in Vault. The double speaks the documented API: KV of version 2 and the login of AppRole.

mod harness;

use std::sync::Arc;

use harness::double::Service;
use harness::{Double, Fault, Project, Received, Reply, Stripe};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// What Vault holds, and whom it knows.
struct Held {
    secrets: Value,
    /// Tokens it has given out and takes.
    tokens: Vec<String>,
    logins: usize,
}

#[derive(Clone)]
struct Vault(Arc<Mutex<Held>>);

impl Vault {
    fn new(key: &str) -> Self {
        let secrets = json!({"STRIPE_API_KEY": key, "PORT": 4711});
        Self(Arc::new(Mutex::new(Held { secrets, tokens: Vec::new(), logins: 0 })))
    }

    fn turn(&self, key: &str) {
        self.0.lock().secrets["STRIPE_API_KEY"] = json!(key);
    }

    /// No token that was given out is taken any more.
    fn revoke(&self) {
        self.0.lock().tokens.clear();
    }
}

impl Service for Vault {
    fn answer(&mut self, request: &Received) -> Reply {
        let mut held = self.0.lock();
        match request.line().as_str() {
            "POST /v1/auth/approle/login" => {
                let body = request.json();
                if body != json!({"role_id": "role-4711", "secret_id": "secret-4711"}) {
                    return Reply::json(400, &json!({"errors": ["invalid role or secret ID"]}));
                }
                held.logins += 1;
                let token = format!("hvs.token-4711-{}", held.logins);
                held.tokens.push(token.clone());
                let auth =
                    json!({"client_token": token, "lease_duration": 3600, "renewable": true});
                Reply::json(200, &json!({"auth": auth}))
            }
            "GET /v1/kv/data/post/room" => {
                let token = request.header("x-vault-token").unwrap_or_default().to_owned();
                if !held.tokens.contains(&token) {
                    return Reply::json(403, &json!({"errors": ["permission denied"]}));
                }
                assert_eq!(request.header("x-vault-namespace"), Some("team"));
                let metadata = json!({"version": 3, "destroyed": false});
                Reply::json(200, &json!({"data": {"data": held.secrets, "metadata": metadata}}))
            }
            _ => Reply::json(404, &json!({"errors": []})),
        }
    }
}

fn project(stripe: &Stripe, vault: &Double) -> Project {
    let config = format!(
        "{}secrets:\n  vault:\n    address: {}\n    mount: kv\n    path: post/room\n    \
         namespace: team\n    token: VAULT_TOKEN\n    \
         appRole: {{ roleId: ROLE_ID, secretId: SECRET_ID }}\n    refresh: 1s\n",
        stripe.adapter(),
        vault.url()
    );
    Project::new(&config).env("ROLE_ID", "role-4711").env("SECRET_ID", "secret-4711")
}

fn order() -> Value {
    json!({"customerId": "cus_1", "amount": 5, "currency": "usd"})
}

fn key(stripe: &Stripe) -> String {
    let calls = stripe.double.received();
    let header = calls.last().and_then(|call| call.header("authorization"));
    header.expect("a call with a key").replace("Bearer ", "")
}

#[test]
fn a_secret_of_vault_is_used_and_replaced_without_a_restart() {
    let (stripe, vault) = (Stripe::start(), Vault::new("sk_first_4711"));
    let double = Double::new(vault.clone());
    let project = project(&stripe, &double);
    let server = project.start();
    server.run(&server.send("CREATE_STRIPE_INVOICE", &order()), &["succeeded"]);
    assert_eq!(key(&stripe), "sk_first_4711");
    // Its token is taken back: it logs in again and goes on.
    vault.turn("sk_second_4711");
    vault.revoke();
    let asked = double.received().len();
    // Refused, a login, the document; and once more, so that the answer was taken over.
    double.wait_for(asked + 4);
    server.run(&server.send("CREATE_STRIPE_INVOICE", &order()), &["succeeded"]);
    assert_eq!(key(&stripe), "sk_second_4711");
    let listed = project.run(&["secrets", "list"]).good();
    assert!(listed.contains("Vault at "), "{listed}");
    let checked = project.run(&["check"]);
    assert!(checked.err.contains("was not asked"), "{}", checked.err);
    let said = [server.log.text(), listed, checked.out, checked.err].concat();
    assert!(!said.contains("4711"), "{said}");
}

#[test]
fn runs_wait_for_a_vault_that_does_not_answer_and_spend_no_attempt() {
    let (stripe, vault) = (Stripe::start(), Vault::new("sk_late_4711"));
    let double = Double::new(vault);
    double.fault("", 1, &Fault::Instead(Reply::json(503, &json!({"errors": ["sealed"]}))));
    let server = project(&stripe, &double).start_kept();
    let (_project, server) = server;
    let told = server.log.wait_for("Vault", |line| line.contains("secrets/vault"));
    assert!(told.is_some_and(|line| line.contains("it is sealed")));
    let run = server.run(&server.send("CREATE_STRIPE_INVOICE", &order()), &["succeeded"]);
    assert_eq!(key(&stripe), "sk_late_4711");
    let waited = server.log.wait_for("the wait", |line| line.contains("a run waits for"));
    assert!(waited.is_some());
    assert!(run.to_string().contains("\"attempt\":1"), "{run}");
    assert!(!run.to_string().contains("\"attempt\":2"), "{run}");
}
