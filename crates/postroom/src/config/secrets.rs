//! The section `secrets`: the places of secrets beside the environment and `.env`.

use postroom_core::yaml::{At, Fields, Node};
use postroom_core::{Problem, problem};

use super::sections::Reader;
use crate::secrets::is_name;

/// Where secrets lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct SecretsEntry {
    /// A folder with one file for each.
    pub directory: Option<String>,
    /// The sealed file.
    pub sealed: Option<String>,
    /// Vault or OpenBao.
    pub vault: Option<VaultEntry>,
}

/// A document of secrets in Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VaultEntry {
    /// `https://vault.example.com:8200`
    pub address: String,
    /// Where the KV engine of version 2 is mounted.
    pub mount: String,
    /// The document.
    pub path: String,
    /// The namespace, where there are several.
    pub namespace: Option<String>,
    /// How Postroom says who it is: the first that has what it needs.
    pub logins: Vec<Login>,
    /// How often the document is read.
    pub refresh_ms: u64,
}

/// How to say who one is. Names of secrets, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// By a token.
    Token(String),
    /// By an AppRole.
    AppRole { mount: String, role_id: String, secret_id: String },
    /// By the account of a pod.
    Kubernetes { mount: String, role: String, token_file: String },
}

impl Login {
    /// The secrets it needs.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Token(name) => vec![name.clone()],
            Self::AppRole { role_id, secret_id, .. } => vec![role_id.clone(), secret_id.clone()],
            Self::Kubernetes { .. } => Vec::new(),
        }
    }
}

/// Where Kubernetes lays the token of a pod's account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

impl Reader<'_, '_> {
    pub(super) fn secrets(&mut self, node: &Node) {
        let Some(mut fields) = self.source.map(node, "secrets") else { return };
        self.config.secrets.directory = self.text(&mut fields, "directory");
        self.config.secrets.sealed = self.text(&mut fields, "sealed");
        if let Some(node) = fields.take("vault") {
            self.config.secrets.vault = self.vault(node);
        }
        fields.finish(self.source);
    }

    fn vault(&mut self, node: &Node) -> Option<VaultEntry> {
        let mut fields = self.source.map(node, "secrets.vault")?;
        let at = fields.at;
        let address = self.placed(&mut fields, "address");
        let mount = self.text(&mut fields, "mount").unwrap_or_else(|| "secret".to_owned());
        let path = self.text(&mut fields, "path");
        let namespace = self.text(&mut fields, "namespace");
        let refresh = fields.take("refresh").and_then(|node| {
            Some((self.source.duration_ms(node, "secrets.vault.refresh")?, node.at))
        });
        let token = self.name_of(&mut fields, "token");
        let role = fields.take("appRole").and_then(|node| self.app_role(node));
        let pod = fields.take("kubernetes").and_then(|node| self.kubernetes(node));
        fields.finish(self.source);
        if let Some((ms, at)) = refresh
            && !(1_000..=86_400_000).contains(&ms)
        {
            let detail = "`secrets.vault.refresh` must be from 1s to 1d";
            self.source.report(Problem::new(&problem::OUT_OF_RANGE, detail), at);
        }
        if let Some((address, at)) = &address
            && !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme))
        {
            let detail = format!("`{address}` is no address of Vault");
            let hint = "write for example https://vault.example.com:8200";
            self.source.report(Problem::new(&problem::BAD_VALUE, detail).hint(hint), *at);
        }
        let mut logins: Vec<Login> = token.map(Login::Token).into_iter().collect();
        logins.extend(role);
        logins.extend(pod);
        let (Some((address, _)), Some(path), false) = (address, path, logins.is_empty()) else {
            self.report_vault(at);
            return None;
        };
        let trimmed = |text: &str| text.trim_matches('/').to_owned();
        Some(VaultEntry {
            address: address.trim_end_matches('/').to_owned(),
            mount: trimmed(&mount),
            path: trimmed(&path),
            namespace,
            logins,
            refresh_ms: refresh.map_or(60_000, |(ms, _)| ms),
        })
    }

    fn report_vault(&mut self, at: At) {
        let detail = "`secrets.vault` needs `address`, `path`, and at least one of `token`, \
                      `appRole` and `kubernetes`";
        let found = Problem::new(&problem::MISSING_KEY, detail);
        let hint = "write for example `{ address: https://vault:8200, path: postroom, token: \
                    VAULT_TOKEN }`";
        self.source.report(found.hint(hint), at);
    }

    fn app_role(&mut self, node: &Node) -> Option<Login> {
        let mut fields = self.source.map(node, "secrets.vault.appRole")?;
        let mount = self.text(&mut fields, "mount").unwrap_or_else(|| "approle".to_owned());
        let role_id = fields.need(self.source, "roleId").map(|node| (node, "roleId"));
        let secret_id = fields.need(self.source, "secretId").map(|node| (node, "secretId"));
        let role_id = role_id.and_then(|(node, key)| self.checked_name(node, key));
        let secret_id = secret_id.and_then(|(node, key)| self.checked_name(node, key));
        fields.finish(self.source);
        Some(Login::AppRole { mount, role_id: role_id?, secret_id: secret_id? })
    }

    fn kubernetes(&mut self, node: &Node) -> Option<Login> {
        let mut fields = self.source.map(node, "secrets.vault.kubernetes")?;
        let mount = self.text(&mut fields, "mount").unwrap_or_else(|| "kubernetes".to_owned());
        let token_file = self.text(&mut fields, "tokenFile").unwrap_or_else(|| ACCOUNT.to_owned());
        let role = fields.need(self.source, "role");
        let role = role.and_then(|node| self.filled(node, "secrets.vault.kubernetes.role"));
        fields.finish(self.source);
        Some(Login::Kubernetes { mount, role: role?, token_file })
    }

    fn name_of(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
        let node = fields.take(key)?;
        self.checked_name(node, key)
    }

    /// The name of a secret. What is no name may be the secret itself, so it is not shown.
    fn checked_name(&mut self, node: &Node, key: &str) -> Option<String> {
        let name = self.source.text(node, key)?;
        if is_name(name) {
            return Some(name.to_owned());
        }
        let detail = format!("`{key}` of Vault must be the name of a secret, not its value");
        let hint = "write for example VAULT_TOKEN, and put the value into the environment";
        let mut found = Problem::new(&problem::BAD_VALUE, detail).hint(hint);
        found = found.at(self.source.place(node.at));
        self.source.problems.push(found);
        None
    }
}
