use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};
use ignore::overrides::{Override, OverrideBuilder};
use ignore::{DirEntry, WalkBuilder};

use crate::builtin::KERNELS;
use crate::search::{FoundFiles, FoundLines, MatchedFile, MatchedLine, Picture, Scope, Search, Stop, Wanted};

/// Searches the disk with ripgrep's libraries.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProjectSearch;

/// How many files are looked at for one call, and how large a file may be that is searched, in bytes.
const MOST_FILES: usize = 200_000;
const LARGEST_FILE: u64 = 16 << 20;
/// Characters of a line that are given.
const LONGEST_LINE: usize = 500;
/// Bytes that a pattern may take once it is compiled.
const LARGEST_PATTERN: usize = 8 << 20;

impl Search for ProjectSearch {
    fn files(&self, scope: &Scope) -> Result<FoundFiles, String> {
        let glob = glob(scope)?;
        let mut found = FoundFiles::default();
        for (nth, file) in walk(&scope.root, &scope.stop).enumerate() {
            if nth == MOST_FILES {
                found.is_cut = true;
                break;
            }
            if !selects(glob.as_ref(), file.path()) {
                continue;
            }
            if found.files.len() < scope.limit {
                found.files.push(file.into_path());
            } else {
                found.more += 1;
            }
        }
        Ok(found)
    }

    fn lines(&self, scope: &Scope, wanted: &Wanted) -> Result<FoundLines, String> {
        let glob = glob(scope)?;
        let matcher = matcher(wanted)?;
        let mut searcher = SearcherBuilder::new()
            .binary_detection(BinaryDetection::quit(0))
            .line_number(true)
            .before_context(wanted.context)
            .after_context(wanted.context)
            .heap_limit(Some(usize::try_from(LARGEST_FILE).unwrap_or(usize::MAX)))
            .build();
        let mut found = FoundLines::default();
        let mut left = scope.limit;
        for (nth, file) in walk(&scope.root, &scope.stop).enumerate() {
            if nth == MOST_FILES || left == 0 {
                found.is_cut = true;
                break;
            }
            if !selects(glob.as_ref(), file.path()) {
                continue;
            }
            if file.path() != scope.root && (scope.is_private)(file.path()) {
                found.private += 1;
                continue;
            }
            if file.metadata().is_ok_and(|it| it.len() > LARGEST_FILE) {
                continue;
            }
            let mut lines = Lines { file: MatchedFile::default(), left, wanted, stop: &scope.stop };
            // A file that can't be read is one without matches
            let searched = searcher.search_path(&matcher, file.path(), &mut lines);
            if lines.file.count == 0 || searched.is_err() {
                continue;
            }
            left -= if wanted.first_only { 1 } else { lines.file.count.min(left) };
            found.files.push(MatchedFile { path: file.into_path(), ..lines.file });
        }
        Ok(found)
    }

    fn picture(&self, root: &Path, limit: usize, stop: &Stop) -> Option<Picture> {
        let mut picture = Picture::new();
        for file in walk(root, stop) {
            if picture.len() == limit {
                return None;
            }
            let Ok(metadata) = file.metadata() else { continue };
            let modified = metadata.modified().ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
            picture.insert(file.into_path(), (modified.map_or(0, |it| it.as_nanos()), metadata.len()));
        }
        if stop.is_set() { None } else { Some(picture) }
    }
}

/// All files beneath a folder (or the file itself) but what git ignores, by path.
fn walk<'a>(root: &Path, stop: &'a Stop) -> impl Iterator<Item = DirEntry> + use<'a> {
    let mut builder = WalkBuilder::new(root);
    // What begins with a dot is part of a project (`.github`), and a folder needs no git to have a `.gitignore`
    builder.hidden(false).require_git(false).follow_links(false);
    builder.sort_by_file_name(Ord::cmp);
    builder.filter_entry(|entry| {
        entry.depth() == 0
            || entry.file_name() != ".git" && !KERNELS.iter().any(|kernels| entry.path() == Path::new(kernels))
    });
    builder
        .build()
        .take_while(|_| !stop.is_set())
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
}

fn glob(scope: &Scope) -> Result<Option<Override>, String> {
    let Some(glob) = &scope.glob else { return Ok(None) };
    let folder = if scope.root.is_file() { scope.root.parent().unwrap_or(&scope.root) } else { &scope.root };
    let glob = glob.strip_prefix("./").unwrap_or(glob);
    let built = OverrideBuilder::new(folder).add(glob).and_then(|builder| builder.build());
    built.map(Some).map_err(|error| format!("the glob is wrong: {error}"))
}

fn selects(glob: Option<&Override>, path: &Path) -> bool {
    glob.is_none_or(|glob| {
        let matched = glob.matched(path, false);
        // One that begins with `!` leaves files out
        if glob.num_whitelists() == 0 { !matched.is_ignore() } else { matched.is_whitelist() }
    })
}

fn matcher(wanted: &Wanted) -> Result<RegexMatcher, String> {
    RegexMatcherBuilder::new()
        .case_insensitive(wanted.ignores_case)
        .line_terminator(Some(b'\n'))
        .size_limit(LARGEST_PATTERN)
        .dfa_size_limit(LARGEST_PATTERN)
        .build(&wanted.pattern)
        .map_err(|error| format!("the pattern is no regular expression that can be used: {error}"))
}

struct Lines<'a> {
    file: MatchedFile,
    left: usize,
    wanted: &'a Wanted,
    stop: &'a Stop,
}

impl Lines<'_> {
    fn add(&mut self, number: Option<u64>, bytes: &[u8], is_match: bool) {
        let text = String::from_utf8_lossy(bytes);
        let line = text.trim_end_matches(['\n', '\r']);
        let text = match line.char_indices().nth(LONGEST_LINE) {
            Some((at, _)) => format!("{} [… the line is longer …]", &line[..at]),
            None => line.to_owned(),
        };
        self.file.lines.push(MatchedLine { number: number.unwrap_or(0), text, is_match });
    }
}

impl Sink for Lines<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        self.file.count += 1;
        self.add(found.line_number(), found.bytes(), true);
        Ok(!self.wanted.first_only && self.file.count < self.left && !self.stop.is_set())
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        self.add(context.line_number(), context.bytes(), false);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails here should stop")]

    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            (".gitignore", "target/\n*.log\n"),
            (".github/ci.yml", "run: needle\n"),
            (".git/config", "needle\n"),
            (".env", "KEY=needle\n"),
            ("a.rs", "one\nneedle 1\nthree\nfour\nNeedle 2\n"),
            ("src/b.rs", "needle\n"),
            ("src/deep/c.ts", "nothing\n"),
            ("target/d.rs", "needle\n"),
            ("e.log", "needle\n"),
        ];
        for (path, contents) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        fs::write(folder.path().join("binary"), b"needle\0needle\n").unwrap();
        folder
    }

    fn scope(folder: &Path, glob: Option<&str>, limit: usize) -> Scope {
        Scope {
            root: folder.to_owned(),
            glob: glob.map(str::to_owned),
            limit,
            is_private: Arc::new(|path| path.ends_with(".env")),
            stop: Stop::default(),
        }
    }

    fn names(folder: &Path, paths: &[PathBuf]) -> Vec<String> {
        paths.iter().map(|path| path.strip_prefix(folder).unwrap().display().to_string()).collect()
    }

    #[test]
    fn files_by_glob() {
        let folder = project();
        let check = |glob: Option<&str>, limit, expected: &[&str], more| {
            let found = ProjectSearch.files(&scope(folder.path(), glob, limit)).unwrap();
            assert_eq!((names(folder.path(), &found.files), found.more), (owned(expected), more), "{glob:?}");
        };
        let all = [".env", ".github/ci.yml", ".gitignore", "a.rs", "binary", "src/b.rs", "src/deep/c.ts"];
        check(None, 100, &all, 0);
        check(Some("**/*"), 100, &all, 0);
        check(Some("*.rs"), 100, &["a.rs", "src/b.rs"], 0);
        check(Some("/*.rs"), 100, &["a.rs"], 0);
        check(Some("./src/*.rs"), 100, &["src/b.rs"], 0);
        check(Some("src/**/*.{ts,rs}"), 1, &["src/b.rs"], 1);
        check(Some("*.log"), 100, &[], 0);
        check(Some("!*.rs"), 2, &[".env", ".github/ci.yml"], 3);
        assert!(ProjectSearch.files(&scope(folder.path(), Some("a{b"), 1)).unwrap_err().contains("the glob is wrong"));
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn wanted(pattern: &str) -> Wanted {
        Wanted { pattern: pattern.to_owned(), ignores_case: false, context: 0, first_only: false }
    }

    #[test]
    fn lines_by_pattern() {
        let folder = project();
        let check = |wanted: Wanted, glob: Option<&str>, limit, expected: &[&str]| {
            let found = ProjectSearch.lines(&scope(folder.path(), glob, limit), &wanted).unwrap();
            let mut lines = Vec::new();
            for file in &found.files {
                let name = names(folder.path(), std::slice::from_ref(&file.path)).remove(0);
                let shown = |line: &MatchedLine| {
                    format!("{name}{}{}:{}", if line.is_match { ":" } else { "-" }, line.number, line.text)
                };
                lines.extend(file.lines.iter().map(shown));
            }
            assert_eq!(lines, expected, "{wanted:?}");
            found
        };
        let found = check(
            wanted("needle"),
            None,
            100,
            &[".github/ci.yml:1:run: needle", "a.rs:2:needle 1", "src/b.rs:1:needle"],
        );
        assert_eq!((found.private, found.is_cut), (1, false));
        let any_case = Wanted { ignores_case: true, ..wanted("^needle \\d") };
        check(any_case.clone(), Some("*.rs"), 100, &["a.rs:2:needle 1", "a.rs:5:Needle 2"]);
        assert!(check(any_case, Some("*.rs"), 1, &["a.rs:2:needle 1"]).is_cut);
        check(
            Wanted { context: 1, ..wanted("needle") },
            Some("a.rs"),
            100,
            &["a.rs-1:one", "a.rs:2:needle 1", "a.rs-3:three"],
        );
        check(Wanted { first_only: true, ..wanted("e") }, Some("a.rs"), 100, &["a.rs:1:one"]);
        let wrong = |pattern: &str| ProjectSearch.lines(&scope(folder.path(), None, 1), &wanted(pattern)).unwrap_err();
        assert!(wrong("a(").contains("no regular expression"));
        assert!(wrong("\\w{1000}{1000}").contains("no regular expression"));

        // A file that is named may be private: the permission was asked for
        let env = scope(&folder.path().join(".env"), None, 10);
        assert_eq!(ProjectSearch.lines(&env, &wanted("needle")).unwrap().files.len(), 1);
    }

    #[test]
    fn a_picture_shows_what_changed() {
        let folder = project();
        let stop = Stop::default();
        let before = ProjectSearch.picture(folder.path(), 100, &stop).unwrap();
        assert_eq!(before.len(), 7);
        fs::write(folder.path().join("a.rs"), "longer than before, so that the size is another one").unwrap();
        let after = ProjectSearch.picture(folder.path(), 100, &stop).unwrap();
        assert_eq!(before.iter().filter(|(path, state)| after.get(*path) != Some(state)).count(), 1);
        assert!(ProjectSearch.picture(folder.path(), 6, &stop).is_none());
        drop(crate::search::StopOnDrop(stop.clone()));
        assert!(ProjectSearch.picture(folder.path(), 100, &stop).is_none());
    }
}
