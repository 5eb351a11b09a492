//! Wrapping data keys, with all that the world outside has for it.

use super::Context;
use super::failure::Outcome;
use super::plugins::PathPlugins;
use super::prompt::Terminal;
use crate::crypto::{DataKey, SystemRandom};
use crate::keys::{KeyGroups, Wrapper};

/// Wraps `data_key` for every key in `keys`.
///
/// # Errors
/// Where that fails for any of them; nothing is changed then.
pub fn wrap_all(context: &Context, keys: &mut KeyGroups, data_key: &DataKey) -> Outcome {
    let mut wrapper = Wrapper {
        random: &mut SystemRandom,
        plugins: Some(&mut PathPlugins::new(&context.environment)),
        prompt: Some(&mut Terminal::new(&context.environment)),
    };
    Ok(keys.wrap_all(data_key, &mut wrapper)?)
}
