//! One broken rule, and what to do about it.

use std::fmt;

/// The rules, by the name that a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    TopLevel,
    Members,
    UnknownCrate,
    PackageName,
    InheritPackage,
    InheritLints,
    InheritDependency,
    ForbiddenEdge,
    NewEdge,
    StaleEdge,
    DevelopmentOnly,
    UndocumentedDependency,
    StaleRow,
    UnusedDependency,
    OneVersion,
    ForbidUnsafe,
    OneTestBinary,
    AmbientIo,
}

impl Rule {
    #[cfg(test)]
    pub(super) const ALL: &[Self] = &[
        Self::TopLevel,
        Self::Members,
        Self::UnknownCrate,
        Self::PackageName,
        Self::InheritPackage,
        Self::InheritLints,
        Self::InheritDependency,
        Self::ForbiddenEdge,
        Self::NewEdge,
        Self::StaleEdge,
        Self::DevelopmentOnly,
        Self::UndocumentedDependency,
        Self::StaleRow,
        Self::UnusedDependency,
        Self::OneVersion,
        Self::ForbidUnsafe,
        Self::OneTestBinary,
        Self::AmbientIo,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::TopLevel => "top-level",
            Self::Members => "members",
            Self::UnknownCrate => "unknown-crate",
            Self::PackageName => "package-name",
            Self::InheritPackage => "inherit-package",
            Self::InheritLints => "inherit-lints",
            Self::InheritDependency => "inherit-dependency",
            Self::ForbiddenEdge => "forbidden-edge",
            Self::NewEdge => "new-edge",
            Self::StaleEdge => "stale-edge",
            Self::DevelopmentOnly => "development-only",
            Self::UndocumentedDependency => "undocumented-dependency",
            Self::StaleRow => "stale-row",
            Self::UnusedDependency => "unused-dependency",
            Self::OneVersion => "one-version",
            Self::ForbidUnsafe => "forbid-unsafe",
            Self::OneTestBinary => "one-test-binary",
            Self::AmbientIo => "ambient-io",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A broken rule in one file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    /// Relative to the repository's root, with `/` between folders.
    file: String,
    pub(super) rule: Rule,
    problem: String,
    remedy: String,
}

impl Violation {
    pub(super) fn new(
        file: impl Into<String>,
        rule: Rule,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { file: file.into(), rule, problem: problem.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, rule, problem, remedy } = self;
        write!(formatter, "{file}: {problem} [{rule}]\n    {remedy}")
    }
}
