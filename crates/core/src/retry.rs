//! When to try again. Arithmetic only: jitter arrives as a number between 0 and 1.

use serde::{Deserialize, Serialize};

/// How often and at what distance a step is tried.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Tries in all, the first included; at least 1.
    pub attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// The delay before the second try, in milliseconds.
    pub delay_ms: u64,
    /// No computed delay is longer than this.
    pub cap_ms: u64,
    /// Share of the delay that is left to chance, 0 to 1: the delay lies between
    /// `d * (1 - jitter)` and `d`.
    pub jitter: f64,
}

/// How the delay grows from try to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// The same every time.
    Fixed,
    /// Doubled every time: `delay * 2^(attempt - 1)`, as BullMQ counts.
    Exponential,
}

/// The longest wait a provider may ask for; longer asks are cut to it.
pub const MAX_RETRY_AFTER_MS: u64 = 24 * 3_600_000;

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 3,
            backoff: Backoff::Exponential,
            delay_ms: 2_000,
            cap_ms: 3_600_000,
            jitter: 0.2,
        }
    }
}

impl RetryPolicy {
    /// Milliseconds to wait after the failure of try number `attempt` (counted from 1). `chance`
    /// lies between 0 and 1. What the provider asked for wins over the policy, up to
    /// [`MAX_RETRY_AFTER_MS`], and is never shortened by jitter.
    #[must_use]
    pub fn delay_ms(&self, attempt: u32, chance: f64, asked_ms: Option<u64>) -> u64 {
        if let Some(asked_ms) = asked_ms {
            return asked_ms.min(MAX_RETRY_AFTER_MS);
        }
        let factor = match self.backoff {
            Backoff::Fixed => 1,
            Backoff::Exponential => 1u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX),
        };
        let full = self.delay_ms.saturating_mul(factor).min(self.cap_ms);
        scale(full, 1.0 - self.jitter.clamp(0.0, 1.0) * chance.clamp(0.0, 1.0))
    }
}

/// `value * share`, for a share between 0 and 1. Delays are far below 2^53, so this is exact
/// enough.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn scale(value: u64, share: f64) -> u64 {
    (value as f64 * share).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(backoff: Backoff, jitter: f64) -> RetryPolicy {
        RetryPolicy { attempts: 9, backoff, delay_ms: 2_000, cap_ms: 60_000, jitter }
    }

    #[test]
    fn exponential_doubles_up_to_the_cap() {
        let policy = policy(Backoff::Exponential, 0.0);
        let delays: Vec<u64> = (1..=7).map(|n| policy.delay_ms(n, 0.5, None)).collect();
        assert_eq!(delays, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        assert_eq!(policy.delay_ms(200, 0.5, None), 60_000);
    }

    #[test]
    fn jitter_only_shortens() {
        let policy = policy(Backoff::Fixed, 0.5);
        assert_eq!(policy.delay_ms(3, 0.0, None), 2_000);
        assert_eq!(policy.delay_ms(3, 1.0, None), 1_000);
    }

    #[test]
    fn retry_after_wins_and_is_capped() {
        let policy = policy(Backoff::Exponential, 1.0);
        assert_eq!(policy.delay_ms(1, 1.0, Some(90_000)), 90_000);
        assert_eq!(policy.delay_ms(1, 1.0, Some(0)), 0);
        assert_eq!(policy.delay_ms(1, 1.0, Some(u64::MAX)), MAX_RETRY_AFTER_MS);
    }
}
