//! The project that the demonstration works in.

use std::env;
use std::fs;
use std::io;
use std::path::Path;

/// A language that the plugin `formatter` can format here: its formatter is a program that has to be on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Language {
    /// The program.
    pub(super) formatter: &'static str,
    /// What tells the plugin that the project uses it.
    marker: (&'static str, &'static str),
    /// The file that there is.
    present: (&'static str, &'static str),
    /// The file that the model writes, in no good shape.
    pub(super) written: (&'static str, &'static str),
}

const LANGUAGES: &[Language] = &[
    Language {
        formatter: "rustfmt",
        marker: ("Cargo.toml", "[package]\nname = \"greeter\"\nversion = \"0.1.0\"\nedition = \"2024\"\n"),
        present: ("src/main.rs", "fn main() {\n    println!(\"Hello!\");\n}\n"),
        written: (
            "src/greeting.rs",
            "pub fn greeting(name:&str)->String{\nif name.is_empty(){return \"Hello!\".to_owned()}\n    format!(\"Hello, {name}!\")   }\n",
        ),
    },
    Language {
        formatter: "gofmt",
        marker: ("go.mod", "module greeter\n\ngo 1.22\n"),
        present: ("main.go", "package main\n\nfunc main() {\n\tprintln(\"Hello!\")\n}\n"),
        written: (
            "greeting.go",
            "package main\nfunc greeting(name string)string{\nif name==\"\"{return \"Hello!\"}\n  return \"Hello, \"+name+\"!\"}\n",
        ),
    },
    Language {
        formatter: "clang-format",
        marker: (".clang-format", "BasedOnStyle: LLVM\n"),
        present: ("main.c", "#include <stdio.h>\n\nint main(void) {\n  puts(\"Hello!\");\n}\n"),
        written: (
            "greeting.c",
            "const char*greeting(int formal){\nif(formal){return \"Good day!\";}\n    return \"Hello!\";}\n",
        ),
    },
    Language {
        formatter: "black",
        marker: ("pyproject.toml", "[tool.black]\n"),
        present: ("main.py", "print(\"Hello!\")\n"),
        written: ("greeting.py", "def greeting(name):\n  if name=='':return 'Hello!'\n  return 'Hello, '+name+'!'\n"),
    },
];

impl Language {
    /// The first one whose formatter is here, and whether there is one.
    pub(super) fn here() -> (Self, bool) {
        let path = env::var_os("PATH").unwrap_or_default();
        let is_here =
            |language: &&Self| env::split_paths(&path).any(|folder| folder.join(language.formatter).is_file());
        LANGUAGES.iter().find(is_here).map_or((LANGUAGES[0], false), |language| (*language, true))
    }
}

/// Makes the project in an empty folder.
pub(super) fn create(folder: &Path, language: Language) -> io::Result<()> {
    let write = |(name, text): (&str, &str)| {
        let path = folder.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(path, text)
    };
    for name in [".git", ".mimir", "build"] {
        fs::create_dir_all(folder.join(name))?;
    }
    write(language.marker)?;
    write(language.present)?;
    write(("README.md", "# Greeter\n\nGreets whoever asks.\n"))?;
    write(("NOTES.md", "Decision: greetings are in English.\n\n- [ ] greet people by their name\n"))?;
    write(("build/old.o", "left over\n"))
}
