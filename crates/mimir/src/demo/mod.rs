//! `mimir demo`: what plugins do to an agent, in a project made for it.

mod plugins;
mod project;
mod scenario;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use mimir_commands::{CommandError, StoreError, Theme, with_causes};
use mimir_plugins::Plugins;
use tempfile::TempDir;

use self::project::Language;
use crate::cli::{Demo, Global};
use crate::run::keyboard::Keyboard;
use crate::run::view::View;
use crate::run::{Job, agent, not_begun, work};
use crate::terminal::Terminal;

/// What the person would have asked.
const TASK: &str = "Greet people by their name, and tidy up.";

/// Where everything of the demonstration lies.
struct Stage {
    folder: TempDir,
}

/// Shows it, and gives the exit code.
pub(crate) fn main(demo: &Demo, global: &Global, terminal: &mut Terminal) -> ExitCode {
    let (language, is_here) = Language::here();
    let (keyboard, view) = (Keyboard::new(), View::new(terminal, demo.json));
    let stage = match Stage::build(language, is_here, !global.no_plugins) {
        Ok(stage) => stage,
        Err(error) => {
            let error = StoreError::failed(
                format!("the demonstration's project could not be made: {}", with_causes(&error)),
                Some("make room in the folder for temporary files, or name another in TMPDIR".to_owned()),
            );
            return not_begun(CommandError::Store(error), &view, terminal);
        }
    };
    let (dim, folder) = (Theme::DIM, stage.folder.path().to_owned());
    if !demo.json {
        let about = format!(
            "{dim}A scripted model works in {}, with the real tools and {} plugins that ship.{dim:#}",
            folder.display(),
            if global.no_plugins { "none of the" } else { "the" }
        );
        terminal.errors.notice(&about);
        if !is_here {
            terminal.errors.notice(&format!(
                "{dim}None of rustfmt, gofmt, clang-format and black is on this machine, so nothing will be formatted.{dim:#}"
            ));
        }
    }
    let plugins = Plugins::builder()
        .project(stage.path("project"))
        .home(stage.path("home"))
        .plugins([stage.path("plugins")])
        .grant_for_this_run(true)
        .without_plugins(global.no_plugins);
    let builder = agent(plugins, &view, &keyboard).scenario(Some(stage.path("scenario.yml")));
    let job = Job {
        task: Some(TASK.to_owned()),
        resume: None,
        is_talk: false,
        command: "demo",
        args: Vec::new(),
        tells_resume: false,
    };
    let code = work(builder, &job, &view, &keyboard, terminal);
    if demo.keep {
        let kept = stage.folder.keep();
        terminal.errors.notice(&format!("{dim}kept in{dim:#} {}", kept.display()));
    }
    code
}

impl Stage {
    fn build(language: Language, has_formatter: bool, has_plugins: bool) -> io::Result<Self> {
        let stage = Self { folder: tempfile::Builder::new().prefix("mimir-demo-").tempdir()? };
        for folder in ["project", "home", "plugins"] {
            fs::create_dir(stage.path(folder))?;
        }
        project::create(&stage.path("project"), language)?;
        plugins::write_to(&stage.path("plugins"))?;
        fs::write(stage.path("home/config.yml"), include_str!("config.yml"))?;
        fs::write(stage.path("scenario.yml"), scenario::of(language, has_formatter, has_plugins))?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(Path::new(name))
    }
}
