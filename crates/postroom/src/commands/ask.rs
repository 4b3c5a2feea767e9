//! Questions at a terminal. A question stands on standard error; whoever asks has made sure that
//! there is somebody ([`Output::can_ask`]).

use crate::exit::Failed;
use crate::output::Output;

/// Asks, and returns the line that was answered, without blanks around it and in lower case.
///
/// # Errors
/// Ctrl-C, or standard input is broken.
pub(super) async fn line(question: &str, output: &Output) -> Result<String, Failed> {
    output.say(question);
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = tokio::select! {
        line = read => line.map_err(|error| Failed::Other(error.into()))??,
        _ = tokio::signal::ctrl_c() => return Err(Failed::Interrupted),
    };
    Ok(line.trim().to_lowercase())
}

/// Asks for a yes; anything else is a no.
///
/// # Errors
/// Those of [`line()`].
pub(super) async fn yes(question: &str, output: &Output) -> Result<bool, Failed> {
    let answer = line(&format!("{question} [y/N]"), output).await?;
    Ok(matches!(answer.as_str(), "y" | "yes"))
}
