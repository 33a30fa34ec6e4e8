use std::borrow::Cow;

use icu_normalizer::DecomposingNormalizerBorrowed;

/// One spelling for all those of `name` that some file system takes for the same: without case and invisible characters,
/// decomposed, and with compatibility forms (`ｇ`, `ſ`) as the letters that they stand for.
///
/// Which of that a file system ignores depends on its kind and on how a folder was made (ext4's `casefold`, APFS, HFS+,
/// exFAT, SMB), so all of it is ignored everywhere. It is only used to close files.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => name.to_ascii_lowercase().into(),
            false => name.into(),
        };
    }
    const NORMALIZER: DecomposingNormalizerBorrowed<'static> = DecomposingNormalizerBorrowed::new_nfkd();
    let visible: String = name.chars().filter(|c| !is_ignorable(*c)).collect();
    // Both ways, since some letters have only one other case: `ß` is `SS`, `ſ` is `S`
    let folded: String =
        NORMALIZER.normalize(&visible).chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    NORMALIZER.normalize(&folded).into_owned().into()
}

/// [`fold`], also without what Windows ignores in a name: dots and spaces at its end, and what follows a colon.
pub(super) fn fold_name(name: &str) -> Cow<'_, str> {
    let stem = name.split_once(':').map_or(name, |(stem, _)| stem).trim_end_matches(['.', ' ']);
    // `...` is a name as well
    fold(if stem.is_empty() { name } else { stem })
}

/// Unicode's `Default_Ignorable_Code_Point`: what ext4's `casefold` skips; HFS+ skips a part of it.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_are_one() {
        let check = |name: &str, expected: &str| assert_eq!(fold_name(name), expected, "{name:?}");
        check(".git", ".git");
        check(".GIT", ".git");
        check(".git. .", ".git");
        check(".git::$INDEX_ALLOCATION", ".git");
        check(".g\u{200d}it", ".git");
        check(".g\u{ad}it", ".git");
        check("．ｇｉｔ", ".git");
        check(".\u{17f}sh", ".ssh");
        check(".\u{212a}ube", ".kube");
        check("Größe", "gro\u{308}sse");
        check("gro\u{308}SSE", "gro\u{308}sse");
        check("...", "...");
        check("ΟΔΟΣ", "οδοσ");
        check("οδος", "οδοσ");
        check("src", "src");
    }
}
