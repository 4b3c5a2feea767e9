//! Whether a connection has the settings that its adapter asks for.

use postroom_core::{Json, Problem, problem};
use postroom_expr::{Kind, nearest};

use crate::adapter::{Adapter, Setting};

impl Adapter {
    /// Holds the settings of a connection against those that the manifest lists, if it lists any.
    ///
    /// # Errors
    /// The first that is missing or not known.
    pub fn check_settings(&self, connection: &str, config: &Json) -> Result<(), Problem> {
        if self.settings.is_empty() {
            return Ok(());
        }
        let names = || self.settings.iter().map(|setting| setting.name.as_str());
        for (name, _) in config.view().entries() {
            if !names().any(|known| known == name) {
                let detail = format!("connection `{connection}` has no setting `config.{name}`");
                let hint = match nearest(&name, names()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known: {}", names().collect::<Vec<_>>().join(", ")),
                };
                return Err(Problem::new(&problem::UNKNOWN_KEY, detail).hint(hint));
            }
        }
        let missing = |setting: &&Setting| {
            let value = config.view().get(&setting.name);
            setting.required && value.is_none_or(|value| value.kind() == Kind::Null)
        };
        let Some(Setting { name, summary, example, .. }) = self.settings.iter().find(missing)
        else {
            return Ok(());
        };
        let detail = format!("connection `{connection}` needs `config.{name}`: {summary}");
        let hint = format!("configure it under `connections`: `config: {{ {name}: {example} }}`");
        Err(Problem::new(&problem::MISSING_KEY, detail).hint(hint))
    }
}
