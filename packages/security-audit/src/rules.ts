import { globMatches, isDisk, isSystemPath, normalise, plantedAt, secretAt } from './paths.ts';
import { baseName, codeArgument, INTERPRETERS, programsOf, SHELLS, stringLiterals, type Program } from './program.ts';

export type Severity = 'low' | 'medium' | 'high' | 'critical';

export interface Finding {
  rule: string;
  severity: Severity;
  /** What is wrong, for a person: “deletes your whole home folder (~)”. */
  reason: string;
}

export interface Settings {
  protectedBranches: string[];
  trustedHosts: string[];
}

type Rule = (program: Program, settings: Settings) => Finding | undefined;

/** Everything that is wrong with a command line, the worst first. */
export function inspect(line: string, settings: Settings): Finding[] {
  const { programs, isUnclear } = programsOf(line);
  if (isUnclear) return [finding('unclear', 'high', 'is too long or too deeply nested to be checked')];
  const findings = programs.flatMap((program) => RULES.flatMap((rule) => rule(program, settings) ?? []));
  findings.push(...downloadedThenRun(programs));
  const order: Severity[] = ['critical', 'high', 'medium', 'low'];
  return findings.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

const DOWNLOADERS = new Set(['curl', 'wget', 'fetch', 'aria2c', 'http', 'https', 'lynx']);
const SENDERS = new Set([
  'curl',
  'wget',
  'nc',
  'ncat',
  'netcat',
  'socat',
  'scp',
  'rsync',
  'sftp',
  'ftp',
  'telnet',
  'http',
  'https',
  'ssh',
]);

const has = (args: string[], short: string, ...long: string[]): boolean =>
  args.some((arg) => long.includes(arg) || (/^-[a-zA-Z]+$/.test(arg) && [...short].some((flag) => arg.includes(flag))));
const operands = (args: string[]): string[] => args.filter((arg) => !arg.startsWith('-'));
/** All programs before one in its pipeline. */
function upstream(program: Program): Program[] {
  const seen = new Set(program.feeds);
  for (const feed of seen) for (const earlier of feed.feeds) seen.add(earlier);
  return [...seen];
}

/** `rm -rf /` and its relatives. */
const deletion: Rule = ({ name, args }) => {
  const isFind = name === 'find' && args.includes('-delete');
  if (!isFind && !(name === 'rm' && has(args, 'rR', '--recursive')) && name !== 'rimraf') return undefined;
  if (args.includes('--no-preserve-root')) return finding('delete', 'critical', 'deletes the whole file system');
  const roots = isFind
    ? args.slice(
        0,
        args.findIndex((arg) => arg.startsWith('-')),
      )
    : operands(args);
  for (const target of roots) {
    const path = normalise(target).replace(/\/(?:\*|\{,?\.?\*\}|\.\*)$/, '') || '/';
    if (path === '/' || target === '/*') return finding('delete', 'critical', 'deletes the whole file system (/)');
    if (path === '~') return finding('delete', 'critical', 'deletes your whole home folder (~)');
    if (/^(?:\/[^/*]+|\/(?:usr|var|System|Library)\/[^/]+)$/.test(path) && path !== '/tmp') {
      return finding('delete', 'critical', `deletes a folder of the operating system (${path})`);
    }
    if (/^\$\{?\w+\}?\/?\*?$/.test(target) && /[/*]$/.test(target)) {
      return finding('delete', 'high', `deletes everything from / if ${target.replace(/\/.*/, '')} is empty`);
    }
    if (/^~\/[^/]+$/.test(path) || /^\.\.(?:\/\.\.)*$/.test(path)) {
      return finding('delete', 'high', `deletes a folder outside the project (${target})`);
    }
    if (!isFind && (path === '.' || path === '*' || /(?:^|\/)\.git$/.test(path))) {
      return finding('delete', 'high', `deletes the project or its history (${target})`);
    }
  }
  return undefined;
};

const devices: Rule = ({ name, args, redirects }) => {
  if (/^mkfs(?:\.|$)/.test(name) || /^(?:wipefs|blkdiscard|mke2fs|newfs)$/.test(name)) {
    return finding('device', 'critical', `${name} erases a disk`);
  }
  const targets = [
    ...args.filter((arg) => name === 'dd' && arg.startsWith('of=')).map((arg) => arg.slice(3)),
    ...args.filter(() => /^(?:shred|fdisk|parted|sgdisk|tee|cp)$/.test(name)),
    ...redirects.filter(({ op }) => op.startsWith('>')).map(({ target }) => target),
  ];
  const disk = targets.find(isDisk);
  return disk === undefined ? undefined : finding('device', 'critical', `overwrites the disk ${disk}`);
};

const forkBomb: Rule = ({ name, inFunction, feeds }) =>
  inFunction !== undefined && name === inFunction && feeds.some((feed) => feed.name === name)
    ? finding('fork-bomb', 'critical', 'is a fork bomb: it starts copies of itself until the machine stops')
    : undefined;

/** `curl … | sh`, `bash <(curl …)`, `eval "$(wget …)"`, `… | base64 -d | sh`. */
const remoteCode: Rule = (program) => {
  const { name, args, inner, redirects } = program;
  const isShell = SHELLS.has(name);
  if (!isShell && !INTERPRETERS.test(name) && !/^(?:eval|source|\.)$/.test(name)) return undefined;
  const readsInput =
    operands(args).length === 0 || args.includes('-s') || args.includes('-') || args.includes('/dev/stdin');
  const sources = [...(readsInput ? upstream(program) : []), ...inner, ...inner.flatMap(upstream)];
  const source = sources.find((feed) => DOWNLOADERS.has(feed.name));
  if (source)
    return finding('remote-code', 'critical', `runs code straight from the network (${source.name} into ${name})`);
  const decoder = sources.find(
    ({ name: by, args: options }) =>
      /^(?:base64|base32|xxd|openssl|gpg|uudecode)$/.test(by) && has(options, 'dDr', '--decode'),
  );
  if (decoder)
    return finding('obfuscated', 'high', `runs code that is hidden by an encoding (${decoder.name} into ${name})`);
  const isRemote = [...redirects.map(({ target }) => target), ...args].some((word) =>
    /\/dev\/(?:tcp|udp)\//.test(word),
  );
  return isRemote && isShell
    ? finding('reverse-shell', 'critical', 'hands a shell on this machine to another one')
    : undefined;
};

const reverseShell: Rule = ({ name, args, redirects }) => {
  if (/^(?:nc|ncat|netcat)$/.test(name) && has(args, 'ec', '--exec', '--sh-exec')) {
    return finding('reverse-shell', 'critical', 'hands a shell on this machine to another one');
  }
  if (name === 'socat' && args.some((arg) => /^(?:exec|system):/i.test(arg))) {
    return finding('reverse-shell', 'critical', 'hands a shell on this machine to another one');
  }
  return redirects.some(({ target }) => /^\/dev\/(?:tcp|udp)\//.test(target))
    ? finding('exfiltration', 'high', 'opens a raw network connection')
    : undefined;
};

const git: Rule = ({ name, args: all }, { protectedBranches }) => {
  if (name !== 'git') return undefined;
  for (let i = 0; i < all.length - 1; i += 1) {
    const setting = all[i] === '-c' ? all[i + 1]! : '';
    if (/^(?:core\.(?:hookspath|sshcommand|fsmonitor|pager|editor)|alias\.[^=]*=!|credential\.helper)/i.test(setting)) {
      return finding('git-config', 'high', `makes Git run a program of its choice (${setting})`);
    }
  }
  let at = 0;
  while (all[at]?.startsWith('-')) at += /^-[cC]$|^--(?:git-dir|work-tree|namespace)$/.test(all[at]!) ? 2 : 1;
  const [verb, ...args] = all.slice(at);
  if (
    verb === 'config' &&
    args.some((arg) => /^(?:core\.(?:hookspath|sshcommand|fsmonitor)|alias\.)/i.test(arg)) &&
    operands(args).length > 1
  ) {
    return finding('git-config', 'high', `makes Git run a program of its choice (${operands(args).join(' ')})`);
  }
  if (verb !== 'push') return undefined;
  const [, ...refs] = operands(args);
  const isForced =
    has(args, 'f', '--force', '--mirror') ||
    args.some((arg) => arg.startsWith('--force-with-lease')) ||
    refs.some((ref) => ref.startsWith('+'));
  const isDeletion = has(args, 'd', '--delete') || refs.some((ref) => ref.startsWith(':'));
  if (!isForced && !isDeletion) return undefined;
  const branches = refs.map((ref) =>
    ref
      .replace(/^\+/, '')
      .split(':')
      .at(-1)!
      .replace(/^refs\/heads\//, ''),
  );
  const hit = branches.find((branch) => protectedBranches.some((glob) => globMatches(glob, branch)));
  const what = isDeletion && !isForced ? 'deletes' : 'rewrites the history of';
  if (hit !== undefined) return finding('force-push', 'high', `${what} the shared branch ${hit}`);
  if (args.includes('--mirror') || args.includes('--all'))
    return finding('force-push', 'high', `${what} every shared branch`);
  return refs.length === 0 ? finding('force-push', 'medium', 'force-pushes without saying which branch') : undefined;
};

const permissions: Rule = ({ name, args }) => {
  if (name === 'chmod') {
    const mode = operands(args)[0] ?? '';
    if (/^0?[0-7]?777$|^(?:a|ugo|o|go)?[+=]r?wx$|^(?:a|ugo|o|go)[+=][rx]*w/.test(mode) && !/^\+?[rx]*$/.test(mode)) {
      return finding('chmod', 'high', `lets everyone on this machine change files (chmod ${mode})`);
    }
    if (/^[0-7]?[4-7][0-7]{3}$|^(?:u|g|a|ug)?\+[rwx]*s/.test(mode)) {
      return finding('chmod', 'high', `makes a program run with its owner's rights (chmod ${mode})`);
    }
  }
  if (!/^(?:chmod|chown|chgrp)$/.test(name) || !has(args, 'R', '--recursive')) return undefined;
  const root = operands(args)
    .slice(1)
    .find((path) => isSystemPath(path) || /^[/~]$/.test(normalise(path)));
  return root === undefined
    ? undefined
    : finding('chmod', 'critical', `changes who may use a folder of the operating system (${root})`);
};

/** Programs that only mention a path, or change it without showing what is in it. */
const SILENT =
  /^(?:|echo|printf|ls|stat|file|test|\[|\[\[|touch|mkdir|rm|rmdir|unlink|shred|chmod|chown|cd|pushd|git|which|type|ssh|ssh-add|ssh-keygen|export|dirname|basename|realpath|find|fd|for|case|true|false|:)$/;

const secrets: Rule = (program) => {
  const what = secretIn(program);
  if (!what) return undefined;
  if (program.name === 'source' || program.name === '.')
    return finding('secrets', 'medium', `loads ${what.kind} (${what.path})`);
  return finding('secrets', 'high', `reads ${what.kind} (${what.path})`);
};

function secretIn({ name, args, redirects }: Program): { path: string; kind: string } | undefined {
  const paths = redirects.filter(({ op }) => op === '<').map(({ target }) => target);
  if (!SILENT.test(name)) paths.push(...readPaths(name, args));
  for (const path of paths) {
    const kind = secretAt(path);
    if (kind) return { path, kind };
  }
  return undefined;
}

/** The arguments that name files to read, as far as the program is known. */
function readPaths(name: string, args: string[]): string[] {
  if (SHELLS.has(name) || INTERPRETERS.test(name)) {
    const code = codeArgument(args);
    if (code !== undefined) return INTERPRETERS.test(name) ? stringLiterals(code) : [];
  }
  // What follows is used, not shown: a key to log in with, variables for a container.
  const isUsed = (option = ''): boolean => option === '--env-file' || (name === 'scp' && option === '-i');
  let words = args.filter((arg, i) => !isUsed(args[i - 1]) && !/^--(?:env-file|exclude)/.test(arg));
  if (/^(?:cp|mv|ln|install|scp|rsync)$/.test(name) && operands(words).length > 1)
    words = words.slice(0, words.lastIndexOf(operands(words).at(-1)!));
  if (/^(?:e?grep|rg|ag|ack|sed|g?awk|jq|yq)$/.test(name) && !has(words, 'ef', '--regexp', '--expression', '--file')) {
    const pattern = words.findIndex((word) => !word.startsWith('-'));
    words = words.filter((_, i) => i !== pattern);
  }
  if (/^(?:docker|podman)$/.test(name)) words = words.map((word) => word.split(':')[0]!);
  // `-d @file`, `-F name=@file`, `if=file`, `--file=path`
  return words.flatMap((word) => [word, word.replace(/^[^/]*?[=@]+/, '')]);
}

const exfiltration: Rule = (program, { trustedHosts }) => {
  const { name, args, inner } = program;
  if (!SENDERS.has(name)) return undefined;
  const sources = [...upstream(program), ...inner, ...inner.flatMap(upstream)];
  const leaked = [program, ...sources].map(secretIn).find((found) => found !== undefined);
  const host = args.map(hostOf).find((found) => found !== undefined) ?? operands(args)[0] ?? 'the network';
  if (leaked && !(name === 'ssh' && sources.length === 0)) {
    return finding('exfiltration', 'critical', `sends ${leaked.kind} (${leaked.path}) to ${host}`);
  }
  if (/^169\.254\.169\.254$|^metadata\.google\.internal$|^\[?fd00:ec2::254/.test(host)) {
    return finding('secrets', 'high', `asks the cloud for this machine's credentials (${host})`);
  }
  if (
    sources.some((source) => /^(?:env|printenv|export|set)$/.test(source.name) && operands(source.args).length === 0)
  ) {
    return finding('exfiltration', 'critical', `sends all environment variables to ${host}`);
  }
  if (/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(host) || trustedHosts.some((glob) => globMatches(glob, host)))
    return undefined;
  const archiver = sources.find((source) => /^(?:tar|zip|gzip|7z|mysqldump|pg_dump)$/.test(source.name));
  if (archiver) return finding('exfiltration', 'high', `sends a whole archive (${archiver.name}) to ${host}`);
  const upload = args.find(
    (arg, i) =>
      /^(?:-[a-zA-Z]*[dFT]|--(?:data|data-binary|form|upload-file|post-file))$/.test(args[i - 1] ?? '') &&
      (/@/.test(arg) || /T$|file$/.test(args[i - 1]!)),
  );
  return upload === undefined ? undefined : finding('exfiltration', 'medium', `uploads a file (${upload}) to ${host}`);
};

function hostOf(arg: string): string | undefined {
  return (
    /^(?:[a-z][a-z+.-]*:\/\/)(?:[^/@]*@)?(\[[^\]]*\]|[^/:?#]+)/i.exec(arg)?.[1] ??
    /^(?:\w[\w.-]*@)?([\w-]+(?:\.[\w-]+)+):/.exec(arg)?.[1]
  );
}

/** Writing where things run by themselves later, or into the operating system. */
const planting: Rule = ({ name, args, redirects }) => {
  if (name === 'crontab' && !args.includes('-l')) return finding('persistence', 'high', 'changes your scheduled jobs');
  const targets = redirects.filter(({ op }) => op.startsWith('>')).map(({ target }) => target);
  if (
    /^(?:tee|touch|chmod|truncate)$/.test(name) ||
    (name === 'sed' && args.some((arg) => /^-[a-zA-Z]*i|^--in-place/.test(arg)))
  )
    targets.push(...operands(args));
  if (/^(?:cp|mv|ln|install|rsync)$/.test(name))
    targets.push(...operands(args).slice(-1), ...args.filter((_, i) => args[i - 1] === '-t'));
  if (name === 'dd') targets.push(...args.filter((arg) => arg.startsWith('of=')).map((arg) => arg.slice(3)));
  if (DOWNLOADERS.has(name))
    targets.push(...args.filter((_, i) => /^(?:-o|-O|--output|--output-document)$/.test(args[i - 1] ?? '')));
  for (const target of targets) {
    const planted = plantedAt(target);
    if (planted) return finding('persistence', 'high', `writes ${planted} (${target})`);
    if (isSystemPath(target) && !/^\/proc\/self\/fd/.test(target))
      return finding('system', 'high', `writes into the operating system (${target})`);
  }
  return undefined;
};

const power: Rule = ({ name, args }) => {
  if (/^(?:shutdown|reboot|halt|poweroff)$/.test(name)) return finding('power', 'high', `${name} stops this machine`);
  return name === 'kill' && args.includes('-1') && args.length > 1
    ? finding('power', 'high', 'kills every process of yours')
    : undefined;
};

const RULES: Rule[] = [
  deletion,
  devices,
  forkBomb,
  remoteCode,
  reverseShell,
  git,
  permissions,
  exfiltration,
  secrets,
  planting,
  power,
];

/** `curl -o x.sh URL && sh x.sh`: the same as a pipe, in two steps. */
function downloadedThenRun(programs: Program[]): Finding[] {
  const files = new Set<string>();
  for (const program of programs) {
    const run = fileItRuns(program);
    if (run !== undefined && files.has(run)) {
      return [finding('remote-code', 'high', `runs a file that it has just downloaded (${run})`)];
    }
    for (const file of downloadedFiles(program)) files.add(file);
  }
  return [];
}

function downloadedFiles({ name, args, redirects, feeds }: Program): string[] {
  const written = redirects.filter(({ op }) => op.startsWith('>')).map(({ target }) => normalise(target));
  if (!DOWNLOADERS.has(name)) return feeds.some((feed) => DOWNLOADERS.has(feed.name)) ? written : [];
  const named = args.filter((_, i) => /^(?:-[a-zA-Z]*[oO]|--output|--output-document)$/.test(args[i - 1] ?? ''));
  const url = args.find((arg) => /^https?:/.test(arg));
  const keepsName = name === 'wget' || has(args, 'O', '--remote-name');
  return [...written, ...named.map(normalise), ...(url && keepsName ? [baseName(url.replace(/[?#].*/, ''))] : [])];
}

/** The script that an interpreter reads, or the program itself where it is named by a path. */
function fileItRuns({ name, path, args }: Program): string | undefined {
  if (!SHELLS.has(name) && !INTERPRETERS.test(name) && name !== 'source' && name !== '.') return normalise(path);
  const script = operands(args)[0];
  return script === undefined ? undefined : normalise(script);
}

function finding(rule: string, severity: Severity, reason: string): Finding {
  return { rule, severity, reason };
}
