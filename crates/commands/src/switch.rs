use crate::{CommandError, Exit, PluginStore, Screen, Theme, printable};

pub(crate) async fn run(
    store: &dyn PluginStore,
    screen: &mut Screen<'_>,
    name: &str,
    enable: bool,
    global: bool,
    json: bool,
) -> Result<Exit, CommandError> {
    let switched = store.switch(name, enable, global).await?;
    // A layer that is trusted more may say otherwise; then nothing was done that counts.
    let exit = if switched.enabled == enable { Exit::Done } else { Exit::Refused };
    if json {
        screen.json(&switched)?;
        return Ok(exit);
    }
    let (mark, style, word) = match switched.enabled {
        true => ("●", Theme::GOOD, "enabled"),
        false => ("○", Theme::DIM, "disabled"),
    };
    let strong = Theme::STRONG;
    let still = if switched.enabled == enable { "is" } else { "is still" };
    let file = match &switched.file {
        Some(file) => format!(" in {}", printable(&file.to_string_lossy())),
        None => " already".to_owned(),
    };
    let id = printable(&switched.id);
    screen.line(format!("{style}{mark}{style:#} {strong}{id}{strong:#} {still} {style}{word}{style:#}{file}"))?;
    for note in &switched.notes {
        screen.line(format!("  {}", printable(note)))?;
    }
    Ok(exit)
}
