use std::path::Path;

/// Whether a file is, by its name, one where a project keeps what nobody else may know. Usual places of keys in a home are
/// known to `closed_path`.
pub(super) fn holds_credentials(path: &Path) -> bool {
    let Some(name) = path.file_name() else { return false };
    let name = name.to_string_lossy().to_lowercase();
    let is_example = ["example", "sample", "template", "dist", "defaults"].iter().any(|end| name.ends_with(end));
    if (name == ".env" || name.starts_with(".env.") || name == ".envrc") && !is_example {
        return true;
    }
    if KEYS.iter().any(|key| name.starts_with(key)) {
        return !name.ends_with(".pub");
    }
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    ENDINGS.contains(&ending) || (STEMS.contains(&stem) && DATA.contains(&ending))
}

const KEYS: [&str; 4] = ["id_rsa", "id_ed25519", "id_ecdsa", "id_dsa"];
const ENDINGS: [&str; 9] = ["pem", "key", "p12", "pfx", "jks", "keystore", "kdbx", "ppk", "tfvars"];
const STEMS: [&str; 6] = ["credentials", "credential", "secrets", "secret", "service-account", "client_secret"];
const DATA: [&str; 6] = ["json", "yml", "yaml", "toml", "ini", "env"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_with_credentials() {
        let secret = ["a/.env", ".env.production", "certs/server.KEY", "id_rsa", "x/secrets.yml", "credentials.json"];
        let open = [".env.example", ".environment", "id_rsa.pub", "secrets.rs", "key.rs", "credentials.md", "/"];
        for path in secret {
            assert!(holds_credentials(Path::new(path)), "{path}");
        }
        for path in open {
            assert!(!holds_credentials(Path::new(path)), "{path}");
        }
    }
}
