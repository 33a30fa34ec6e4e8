/** What a path stands for: `~` for any home folder, no `//`, `/./`, `x/..` or trailing slash. */
export function normalise(path: string): string {
  const home = path
    .replace(/^(?:\$HOME|\$\{HOME\}|~\w*)(?=\/|$)/, '~')
    .replace(/^\/(?:home|Users)\/[^/*]+(?=\/|$)/, '~')
    .replace(/^\/root(?=\/|$)/, '~');
  const isAbsolute = home.startsWith('/');
  const parts: string[] = [];
  for (const part of home.split('/')) {
    if (part === '' || part === '.') continue;
    const last = parts.at(-1);
    if (part === '..' && last === '~') parts.splice(-1, 1, '', 'home');
    else if (part === '..' && (isAbsolute || (last !== undefined && last !== '..'))) parts.pop();
    else parts.push(part);
  }
  if (path.startsWith('./~')) parts.unshift('.'); // A file that is called `~`, not the home folder.
  const joined = parts.join('/');
  return isAbsolute && !joined.startsWith('/') ? `/${joined}` : joined || '.';
}

const SECRETS: [RegExp, string][] = [
  [/(?:^|\/)\.env(?:\.(?!example$|sample$|template$|dist$|defaults$)[\w.-]+)?$/, 'environment secrets'],
  [/(?:^|\/)\.envrc$/, 'environment secrets'],
  [/(?:^|\/)\.ssh(?:\/(?!known_hosts$|config$|[^/]*\.pub$).*)?$/, 'SSH keys'],
  [/(?:^|\/)id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?$/, 'an SSH private key'],
  [/(?:^|\/)\.aws(?:\/(?:credentials|config|sso(?:\/.*)?))?$/, 'AWS credentials'],
  [/(?:^|\/)(?:\.netrc|_netrc|\.git-credentials|\.pgpass|\.pypirc|\.vault-token|\.my\.cnf)$/, 'stored passwords'],
  [/^~\/\.npmrc$/, 'an npm token'],
  [/(?:^|\/)\.docker\/config\.json$/, 'registry credentials'],
  [/(?:^|\/)\.kube(?:\/config)?$/, 'cluster credentials'],
  [/(?:^|\/)\.config\/(?:gh(?:\/hosts\.yml)?|gcloud(?:\/.*)?|hub)$/, 'cloud credentials'],
  [/(?:^|\/)\.gnupg(?:\/.*)?$/, 'GPG keys'],
  [/\.(?:pem|p12|pfx|jks|keystore|kdbx)$/, 'a private key or key store'],
  [/(?:^|\/)(?:private|server|client|tls)[\w.-]*\.key$/, 'a private key'],
  [/(?:^|\/)(?:credentials|service-account[\w-]*|client_secret[\w.-]*)\.json$/, 'service credentials'],
  [/^\/etc\/(?:shadow|gshadow|sudoers)$/, 'password hashes'],
  [/^\/proc\/[^/]+\/environ$/, 'the environment of a process'],
  [/(?:^|\/)Library\/Keychains(?:\/.*)?$/, 'the keychain'],
  [/(?:^|\/)(?:Login Data|Cookies|key4\.db|logins\.json)$/, "a browser's passwords"],
];

/** What kind of secret lies at `path`, if it is a place where secrets lie. Sees through globs such as `.e*`. */
export function secretAt(path: string): string | undefined {
  if (path.length > 4_096 || path.includes('\n')) return undefined;
  const normal = normalise(path);
  for (const [pattern, what] of SECRETS) if (pattern.test(normal)) return what;
  if (/[*?[]/.test(normal)) {
    const name = normal.slice(normal.lastIndexOf('/') + 1);
    if (name.startsWith('.') && globMatches(name, '.env')) return 'environment secrets';
    if (/^id_/.test(name)) return 'an SSH private key';
  }
  return undefined;
}

const PERSISTENT: [RegExp, string][] = [
  [/(?:^|\/)\.git\/hooks(?:\/.*)?$/, 'a Git hook, which runs by itself later'],
  [/(?:^|\/)\.git\/config$/, "Git's configuration, which can name programs to run"],
  [/(?:^|\/)\.ssh\/(?:authorized_keys|config|rc)$/, 'who may log in over SSH'],
  [/^~\/\.(?:bashrc|bash_profile|bash_login|profile|zshrc|zshenv|zprofile|config\/fish\/.*)$/, 'a shell start-up file'],
  [/^~\/(?:\.config\/(?:autostart|systemd)|Library\/LaunchAgents)\/.*$/, 'a program that starts at login'],
  [/^\/(?:etc|var\/spool)\/cron[^/]*(?:\/.*)?$/, 'a scheduled job'],
  [/(?:^|\/)\.mimir\/(?:config\.yml|plugins(?:\/.*)?)$/, "Mimir's own settings and plugins"],
];

/** What a write to `path` would plant, if it is a place from which things run later. */
export function plantedAt(path: string): string | undefined {
  if (path.length > 4_096) return undefined;
  const normal = normalise(path);
  return PERSISTENT.find(([pattern]) => pattern.test(normal))?.[1];
}

/** Whether `path` belongs to the operating system. Temporary folders and the usual devices do not count. */
export function isSystemPath(path: string): boolean {
  return /^\/(?:etc|usr|bin|sbin|lib\w*|boot|sys|proc|System|Library)(?:\/|$)/.test(normalise(path));
}

/** Whether `path` is a disk, not `/dev/null` and the like. */
export function isDisk(path: string): boolean {
  return /^\/dev\/(?:sd|hd|vd|xvd|nvme|mmcblk|disk|rdisk|loop|md|dm-|mapper\/|mem$|kmem$)/.test(normalise(path));
}

/** A glob in which `*` is any run of characters and `?` any one. Linear for what people write. */
export function globMatches(glob: string, text: string): boolean {
  let [g, t, star, mark] = [0, 0, -1, 0];
  while (t < text.length) {
    if (glob[g] === '*') [star, mark, g] = [g, t, g + 1];
    else if (glob[g] === '?' || glob[g] === text[t]) [g, t] = [g + 1, t + 1];
    else if (star >= 0) [g, mark, t] = [star + 1, mark + 1, mark + 1];
    else return false;
  }
  while (glob[g] === '*') g += 1;
  return g === glob.length;
}
