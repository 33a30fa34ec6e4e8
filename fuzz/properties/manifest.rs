//! `plugin.yml` is written by whoever wrote the plugin.

use mimir_shared_config::{Capabilities, ConfigError, PluginManifest, effective, widened};

/// What is read asks for nothing by itself, and what is not read says where it is wrong.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match PluginManifest::parse("plugin.yml", text) {
        Ok(manifest) => {
            let name = manifest.name.as_str();
            // `a..b` is a name that npm takes, and harmless in a path
            let is_upwards = name.split('/').any(|part| part == "..");
            assert!(!name.is_empty() && !name.chars().any(char::is_control) && !is_upwards, "{name:?}");
            let (none, asked) = (Capabilities::default(), &manifest.capabilities);
            let without_grant = effective(asked, &none, None);
            assert!(widened(&without_grant, &none).is_empty(), "{without_grant:?} without a grant");
            let granted = effective(asked, asked, None);
            assert!(widened(&granted, asked).is_empty(), "{granted:?} is more than {asked:?}");
            assert!(widened(asked, asked).is_empty(), "{asked:?} is not covered by itself");
        }
        Err(error) => is_placed(&error, text),
    }
}

/// Every problem is somewhere in the text.
pub(crate) fn is_placed(error: &ConfigError, text: &str) {
    for problem in error.files().iter().flat_map(|file| &file.problems) {
        let span = &problem.span;
        assert!(span.start <= span.end && span.end <= text.len(), "{span:?} of {}: {error}", text.len());
        assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{span:?}: {error}");
        assert!(problem.line >= 1 && problem.column >= 1 && problem.line <= text.matches('\n').count() + 1, "{error}");
    }
}
