//! What no program of the agent's gets to see of the user's environment.

use std::ffi::OsStr;

/// Keys of providers of models, under the names that these gave them: a program has no business with them, and what it
/// prints goes to a provider.
const PROVIDER_KEYS: [&str; 19] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "AZURE_OPENAI_API_KEY",
    "CEREBRAS_API_KEY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "COHERE_API_KEY",
    "DEEPSEEK_API_KEY",
    "FIREWORKS_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GROQ_API_KEY",
    "HF_TOKEN",
    "MISTRAL_API_KEY",
    "MOONSHOT_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "PERPLEXITY_API_KEY",
    "TOGETHER_API_KEY",
    "XAI_API_KEY",
];

/// Whether a variable is one of Mimir's own, a provider's key, or one of `keys`: those that the configuration names. Case
/// makes no difference, since to some systems it makes none.
pub(crate) fn is_withheld(name: &OsStr, keys: &[String]) -> bool {
    let name = name.to_string_lossy().to_uppercase();
    name.starts_with("MIMIR_")
        || PROVIDER_KEYS.contains(&&*name)
        || keys.iter().any(|key| key.eq_ignore_ascii_case(&name))
}
