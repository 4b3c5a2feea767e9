//! A double of Stripe that honours idempotency keys as Stripe does: the first answer to a key is
//! kept and given again, and a key that comes with other parameters is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use ring::hmac;
use serde_json::{Value, json};

use super::double::{Double, Received, Reply, Service};

/// The double and what it holds.
pub struct Stripe {
    pub double: Double,
    account: Arc<Mutex<Account>>,
}

/// An account at Stripe.
#[derive(Default)]
pub struct Account {
    pub invoices: BTreeMap<String, Invoice>,
    kept: HashMap<String, (String, Reply)>,
    made: u64,
}

/// An invoice and what happened to it.
#[derive(Clone, Debug)]
pub struct Invoice {
    pub customer: String,
    pub currency: String,
    pub status: &'static str,
    pub amount_due: i64,
    /// The key that made it.
    pub key: String,
}

struct Api(Arc<Mutex<Account>>);

impl Stripe {
    pub fn start() -> Self {
        let account = Arc::new(Mutex::new(Account::default()));
        Self { double: Double::new(Api(Arc::clone(&account))), account }
    }

    pub fn invoices(&self) -> BTreeMap<String, Invoice> {
        self.account.lock().invoices.clone()
    }

    /// The entry of `adapters:` that calls this double.
    pub fn adapter(&self) -> String {
        format!(
            "adapters:\n  - {{name: stripe-invoice, provider: stripe, baseUrl: \"{}\"}}\n",
            self.double.url()
        )
    }

    /// The signature header Stripe would send at a time.
    pub fn signature(secret: &str, at: u64, body: &str) -> String {
        format!("t={at},v1={},v0=ignored", Self::tag(secret, at, body.as_bytes()))
    }

    /// The tag in it, of bytes that may be no text.
    pub fn tag(secret: &str, at: u64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, &[format!("{at}.").as_bytes(), body].concat());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A refusal in Stripe's words.
    pub fn refusal(status: u16, kind: &str, code: &str, message: &str) -> Reply {
        Reply::json(status, &json!({"error": {"type": kind, "code": code, "message": message}}))
    }
}

impl Service for Api {
    fn answer(&mut self, request: &Received) -> Reply {
        let mut account = self.0.lock();
        let bearer = request.header("authorization").and_then(|a| a.strip_prefix("Bearer "));
        if bearer.is_none_or(|key| !key.starts_with("sk_")) {
            let message = format!("Invalid API Key provided: {}", bearer.unwrap_or("none"));
            return Reply::json(
                401,
                &json!({"error": {"type": "invalid_request_error", "message": message}}),
            );
        }
        if request.method != "POST" || request.key().is_empty() {
            return account.act(request);
        }
        let asked = format!("{}\n{}", request.path, request.body);
        match account.kept.get(request.key()) {
            Some((first, reply)) if *first == asked => {
                return reply.clone().with("Idempotent-Replayed", "true");
            }
            Some(_) => {
                let message = "Keys for idempotent requests can only be used with the same \
                               parameters they were first used with.";
                return Stripe::refusal(400, "idempotency_error", "", message);
            }
            None => {}
        }
        let reply = account.act(request);
        account.kept.insert(request.key().to_owned(), (asked, reply.clone()));
        reply
    }

    fn keep(&mut self, request: &Received, reply: &Reply) {
        let asked = format!("{}\n{}", request.path, request.body);
        self.0.lock().kept.insert(request.key().to_owned(), (asked, reply.clone()));
    }
}

impl Account {
    fn act(&mut self, request: &Received) -> Reply {
        let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), &parts[..]) {
            ("GET", ["v1", "customers", id]) if id.starts_with("cus_missing") => {
                let message = format!("No such customer: '{id}'");
                Stripe::refusal(404, "invalid_request_error", "resource_missing", &message)
            }
            ("GET", ["v1", "customers", id]) => {
                Reply::json(200, &json!({"id": id, "object": "customer"}))
            }
            ("POST", ["v1", "invoices"]) => self.draft(request),
            ("POST", ["v1", "invoiceitems"]) => self.item(request),
            ("POST", ["v1", "invoices", id, "finalize"]) => self.finalize(id),
            _ => {
                let message = format!("Unrecognized request URL ({})", request.line());
                Stripe::refusal(404, "invalid_request_error", "unknown_url", &message)
            }
        }
    }

    fn draft(&mut self, request: &Received) -> Reply {
        self.made += 1;
        let id = format!("in_{:05}", self.made);
        let field = |name: &str| request.field(name).unwrap_or_default();
        let invoice = Invoice {
            customer: field("customer"),
            currency: field("currency"),
            status: "draft",
            amount_due: 0,
            key: request.key().to_owned(),
        };
        self.invoices.insert(id.clone(), invoice.clone());
        Reply::json(200, &shown(&id, &invoice))
    }

    fn item(&mut self, request: &Received) -> Reply {
        let id = request.field("invoice").unwrap_or_default();
        let amount = request.field("amount").and_then(|amount| amount.parse::<i64>().ok());
        let (Some(invoice), Some(amount)) = (self.invoices.get_mut(&id), amount) else {
            let message = format!("No such invoice: '{id}'");
            return Stripe::refusal(400, "invalid_request_error", "resource_missing", &message);
        };
        if invoice.status != "draft" {
            let message = "This invoice is no longer editable.";
            return Stripe::refusal(400, "invalid_request_error", "invoice_not_editable", message);
        }
        invoice.amount_due += amount;
        self.made += 1;
        let item = format!("ii_{:05}", self.made);
        Reply::json(200, &json!({"id": item, "object": "invoiceitem", "invoice": id}))
    }

    fn finalize(&mut self, id: &str) -> Reply {
        let Some(invoice) = self.invoices.get_mut(id).filter(|it| it.status == "draft") else {
            let message = "This invoice cannot be finalized.";
            return Stripe::refusal(400, "invalid_request_error", "invoice_not_draft", message);
        };
        invoice.status = if invoice.amount_due == 0 { "paid" } else { "open" };
        Reply::json(200, &shown(id, invoice))
    }
}

fn shown(id: &str, invoice: &Invoice) -> Value {
    let url = (invoice.status != "draft").then(|| format!("https://invoice.stripe.test/{id}"));
    json!({
        "id": id,
        "object": "invoice",
        "customer": invoice.customer,
        "currency": invoice.currency,
        "status": invoice.status,
        "amount_due": invoice.amount_due,
        "hosted_invoice_url": url,
    })
}
