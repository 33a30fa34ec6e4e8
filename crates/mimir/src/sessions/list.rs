use std::io::Write as _;
use std::path::{Path, PathBuf};

use mimir_chat::Session;
use mimir_commands::{
    Align, Cell, Column, CommandError, Exit, Fit, Table, Theme, display_width, json_text, printable, wrap,
};
use mimir_shared_platform::{Clock as _, SystemClock};

use super::args::List;
use super::money::dollars;
use super::when::ago;
use super::{BEGIN, Kept};
use crate::number::grouped;
use crate::terminal::Terminal;

pub(super) async fn run(kept: &Kept, list: &List, terminal: &mut Terminal) -> Result<Exit, CommandError> {
    let mut sessions = kept.list(list.all).await?;
    let (out, width) = (&mut terminal.out, terminal.width);
    let (dim, typed) = (Theme::DIM, Theme::TYPE);
    let count = sessions.len();
    if list.limit > 0 {
        sessions.truncate(list.limit);
    }
    if list.json {
        writeln!(out, "{}", json_text(&sessions).map_err(std::io::Error::from)?)?;
        return Ok(Exit::Done);
    }
    if sessions.is_empty() {
        let elsewhere = kept.list(true).await?.len();
        let whose =
            if list.all { "no sessions yet".to_owned() } else { format!("no sessions in {} yet", kept.project) };
        for line in wrap(&printable(&format!("{whose}: {BEGIN}")), width) {
            writeln!(out, "{line}")?;
        }
        if elsewhere > 0 {
            writeln!(
                out,
                "{typed}mimir sessions list --all{typed:#} {dim}shows the {elsewhere} of other projects{dim:#}"
            )?;
        }
        return Ok(Exit::Done);
    }
    write!(out, "{}", table(&sessions, list.all, width).render(width))?;
    if count > sessions.len() {
        let more = count - sessions.len();
        writeln!(out, "{dim}and {more} more:{dim:#} {typed}mimir sessions list --limit 0{typed:#}")?;
    }
    Ok(Exit::Done)
}

/// Windows of fewer columns show less of each session: an id is never cut, since it is there to be typed.
const NARROW: usize = 80;
/// The longest folder that is shown, in columns.
const LONGEST_FOLDER: usize = 30;

fn table(sessions: &[Session], shows_projects: bool, width: usize) -> Table {
    let now = SystemClock.now_ms();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let is_narrow = width < NARROW;
    let (shows_model, shows_messages) = (!is_narrow, !(is_narrow && shows_projects));
    let column = |title, align, fit| Column { title, align, fit };
    let columns = [
        Some(column("ID", Align::Left, Fit::Keep)),
        Some(column("WHEN", Align::Left, Fit::Keep)),
        Some(column("TITLE", Align::Left, Fit::Cut(8))),
        shows_model.then(|| column("MODEL", Align::Left, Fit::Cut(8))),
        shows_messages.then(|| column("MESSAGES", Align::Right, Fit::Keep)),
        Some(column("COST", Align::Right, Fit::Keep)),
        shows_projects.then(|| column("PROJECT", Align::Left, Fit::Cut(8))),
    ];
    let mut table = Table::new(columns.into_iter().flatten().collect::<Vec<_>>());
    for session in sessions {
        let title = if session.title.trim().is_empty() { "–" } else { &session.title };
        let cells = [
            Some(Cell::styled(&session.id, Theme::STRONG)),
            Some(Cell::styled(ago(session.updated_at, now), Theme::DIM)),
            Some(Cell::new(title)),
            shows_model.then(|| Cell::styled(&session.model, Theme::DIM)),
            shows_messages.then(|| Cell::new(grouped(session.messages))),
            Some(Cell::new(dollars(session.cost))),
            shows_projects.then(|| Cell::styled(folder(&session.project, home.as_deref(), is_narrow), Theme::DIM)),
        ];
        table.row(cells.into_iter().flatten().collect::<Vec<_>>());
    }
    table
}

/// A project's folder by its end, which says more than its beginning.
fn folder(project: &str, home: Option<&Path>, is_narrow: bool) -> String {
    let path = Path::new(project);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    if let (true, Some(name)) = (is_narrow, name) {
        return name;
    }
    let beneath = home.and_then(|home| path.strip_prefix(home).ok()).filter(|path| !path.as_os_str().is_empty());
    let whole = printable(&beneath.map_or_else(|| project.to_owned(), |path| format!("~/{}", path.display())));
    let mut end = String::new();
    for c in whole.chars().rev() {
        if display_width(&end) >= LONGEST_FOLDER - 1 {
            return format!("…{}", end.chars().rev().collect::<String>());
        }
        end.push(c);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_shown_by_their_end() {
        let long = "/srv/a-long-name-of-a-folder/and-another-one/app";
        let cases = [
            ("/home/u/code/app", false, "~/code/app"),
            ("/home/u", false, "/home/u"),
            ("/home/user/x", false, "/home/user/x"),
            (long, false, "…-a-folder/and-another-one/app"),
            (long, true, "app"),
            ("/", true, "/"),
        ];
        for (project, is_narrow, expected) in cases {
            assert_eq!(folder(project, Some(Path::new("/home/u")), is_narrow), expected);
        }
    }
}
