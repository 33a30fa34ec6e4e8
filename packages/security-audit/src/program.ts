import { parse, SUBSTITUTION, type Command, type Redirect } from './shell.ts';

/** A program that a command line would run, with whatever stood before it (`sudo`, `env`, `sh -c`, `xargs`) taken off. */
export interface Program {
  /** Its name without the folder: `rm` for `/bin/rm`. */
  name: string;
  /** Its name as it was written. */
  path: string;
  args: string[];
  redirects: Redirect[];
  /** The programs whose output it reads. */
  feeds: Program[];
  /** The programs within its words: `$(…)`, `<(…)`. */
  inner: Program[];
  /** How many programs stand before it in its pipeline. */
  stage: number;
  inFunction?: string;
}

export interface Reading {
  programs: Program[];
  /** Nested too deeply or too long to be read to the end. */
  isUnclear: boolean;
}

export const SHELLS = new Set(['sh', 'bash', 'zsh', 'dash', 'ksh', 'ash', 'fish', 'csh', 'tcsh', 'pwsh']);
export const INTERPRETERS = /^(?:python[\d.]*|node|deno|bun|perl|ruby|php|lua|osascript)$/;

/** What runs another program: the options of its own that take a value, and how many operands come before the program. */
const WRAPPERS: Record<string, { valued?: string[]; operands?: number }> = {
  sudo: { valued: ['-u', '-g', '-h', '-p', '-C', '-T', '-r', '-t', '-D', '--user', '--group', '--chdir'] },
  doas: { valued: ['-u', '-C'] },
  env: { valued: ['-u', '-C', '--unset', '--chdir'] },
  command: {},
  builtin: {},
  exec: { valued: ['-a'] },
  nohup: {},
  setsid: {},
  nice: { valued: ['-n'] },
  ionice: { valued: ['-c', '-n'] },
  time: { valued: ['-o', '-f'] },
  timeout: { valued: ['-s', '-k', '--signal', '--kill-after'], operands: 1 },
  stdbuf: { valued: ['-i', '-o', '-e'] },
  xargs: { valued: ['-I', '-n', '-P', '-L', '-d', '-a', '-s', '-E'] },
  parallel: { valued: ['-j'] },
  busybox: {},
  toybox: {},
  watch: { valued: ['-n'] },
  strace: { valued: ['-o', '-e', '-p'] },
  chroot: { operands: 1 },
  caffeinate: {},
  npx: {},
};

const MAX_DEPTH = 12;
const MAX_STAGES = 50;
const MAX_PROGRAMS = 2_000;

/** All programs that `line` would run, the ones inside scripts and substitutions too. */
export function programsOf(line: string): Reading {
  const reading: Reading = { programs: [], isUnclear: false };
  readScript(line, reading, 0, []);
  return reading;
}

function readScript(text: string, reading: Reading, depth: number, feeds: Program[]): Program[] {
  if (depth > MAX_DEPTH || reading.programs.length > MAX_PROGRAMS) reading.isUnclear = true;
  if (reading.isUnclear) return [];
  const script = parse(text);
  reading.isUnclear = script.isUnclear;
  return readCommands(script.commands, reading, depth, feeds);
}

function readCommands(commands: Command[], reading: Reading, depth: number, outerFeeds: Program[]): Program[] {
  const known = new Map<Command, Program[]>();
  for (const command of commands) {
    const inner = readCommands(command.inner, reading, depth + 1, []);
    const ownFeeds = command.feeds.flatMap((feed) => known.get(feed) ?? []);
    const feeds = ownFeeds.length > 0 ? ownFeeds : outerFeeds;
    known.set(command, readCommand(command, { feeds, inner }, reading, depth));
  }
  return [...known.values()].flat();
}

function readCommand(
  command: Command,
  { feeds, inner }: Pick<Program, 'feeds' | 'inner'>,
  reading: Reading,
  depth: number,
): Program[] {
  const words = withoutWrappers(withKnownOutput(command.words, inner));
  const path = words[0] ?? '';
  const name = baseName(path);
  const stage = feeds.reduce((most, feed) => Math.max(most, feed.stage + 1), 0);
  if (stage > MAX_STAGES) reading.isUnclear = true;
  const program: Program = { name, path, args: words.slice(1), redirects: command.redirects, feeds, inner, stage };
  if (command.words.some((word) => /(?:^|\/)(?:xargs|parallel)$/.test(word)))
    program.args.push(...feeds.flatMap(outputOf));
  if (command.inFunction !== undefined) program.inFunction = command.inFunction;
  reading.programs.push(program);
  const nested = scriptsOf(program).flatMap((script) => readScript(script, reading, depth + 1, feeds));
  return [program, ...nested];
}

/** Takes off `NAME=value`, `sudo -u root`, `env -i`, `timeout 5`, `xargs -n 1` and so on. */
function withoutWrappers(words: string[]): string[] {
  let at = 0;
  for (;;) {
    while (/^[A-Za-z_]\w*\+?=/.test(words[at] ?? '')) at += 1;
    const name = baseName(words[at] ?? '');
    const wrapper = Object.hasOwn(WRAPPERS, name) ? WRAPPERS[name] : undefined;
    let next = at + 1;
    if (!wrapper) return words.slice(at);
    for (; next < words.length; next += 1) {
      const word = words[next]!;
      if (name === 'env' && (word === '-S' || word === '--split-string')) {
        return withoutWrappers([...(words[next + 1] ?? '').split(/\s+/), ...words.slice(next + 2)]);
      }
      if (wrapper.valued?.includes(word)) next += 1;
      else if (!word.startsWith('-') && !/^[A-Za-z_]\w*=/.test(word)) break;
    }
    next += wrapper.operands ?? 0;
    if (next >= words.length) return words.slice(at);
    at = next;
  }
}

/** The texts that a program would itself read as commands. */
function scriptsOf({ name, args, redirects, feeds }: Program): string[] {
  if (name === 'eval' || name === 'trap') return [args.filter((arg) => arg !== '--').join(' ')];
  if (name === 'find' || name === 'fd') return executedByFind(args);
  if (name === 'ssh') return args.length > 1 ? [remoteCommand(args)] : [];
  const code = codeArgument(args);
  if (SHELLS.has(name) || name === 'su' || name === 'script') {
    if (code !== undefined) return [code];
    if (args.some((arg) => !arg.startsWith('-'))) return [];
    return [
      ...redirects.filter(({ op }) => op === '<<' || op === '<<<').map(({ target }) => target),
      ...feeds.filter((feed) => feed.name === 'echo' || feed.name === 'printf').map((feed) => spoken(feed.args)),
    ];
  }
  if (INTERPRETERS.test(name) && code !== undefined && /system|exec|spawn|popen|subprocess|`|%x/i.test(code)) {
    return stringLiterals(code);
  }
  return [];
}

/** The value of `-c`, `-lc`, `-e`, `--eval` or `--command`. */
export function codeArgument(args: string[]): string | undefined {
  const at = args.findIndex(
    (arg) => /^-[a-zA-Z]*[ce]$/.test(arg) || arg === '--eval' || arg === '--command' || arg === '-Command',
  );
  return at < 0 ? undefined : args.slice(at + 1).find((arg) => !/^[-+]/.test(arg));
}

/** The contents of the quoted strings in a piece of code. */
export function stringLiterals(code: string): string[] {
  const single = [...code.matchAll(/'([^'\\]{1,2000})'|"([^"\\]{1,2000})"|`([^`\\]{1,2000})`/g)];
  const strings = single.map(([, a, b, c]) => a ?? b ?? c ?? '');
  // `['rm', '-rf', '/']` is one command, too.
  return strings.length > 1
    ? [...strings, strings.map((text) => (/[\s'"]/.test(text) ? '_' : text)).join(' ')]
    : strings;
}

function executedByFind(args: string[]): string[] {
  const roots = args.slice(
    0,
    Math.max(
      0,
      args.findIndex((word) => word.startsWith('-')),
    ),
  );
  const scripts: string[] = [];
  for (let at = 0; at < args.length; at += 1) {
    if (!/^(?:-exec|-execdir|-ok|-okdir|-x|--exec)$/.test(args[at]!)) continue;
    const words: string[] = [];
    for (at += 1; at < args.length && args[at] !== ';' && args[at] !== '+'; at += 1) words.push(args[at]!);
    // Several roots stand for `{}` at once: whatever is wrong with one is wrong with the whole.
    scripts.push(
      words
        .flatMap((word) => (word === '{}' ? roots : [word]))
        .map(quote)
        .join(' '),
    );
  }
  return scripts;
}

function remoteCommand(args: string[]): string {
  let at = 0;
  while (args[at]?.startsWith('-')) at += /^-[bcDEeFIiJLlmOopQRSWw]$/.test(args[at]!) ? 2 : 1;
  return args.slice(at + 1).join(' ');
}

/** Puts what a substitution is known to print in its place: `$(which rm) -rf /`, `cat "$(echo .env)"`. */
function withKnownOutput(words: string[], inner: Program[]): string[] {
  const [only, ...others] = inner;
  if (!only || others.length > 0 || words.filter((word) => word === SUBSTITUTION).length !== 1) return words;
  const printed = /^(?:which|type|basename)$/.test(only.name) ? only.args.slice(-1) : outputOf(only);
  return printed.length === 0 ? words : words.flatMap((word) => (word === SUBSTITUTION ? printed : [word]));
}

/** What can be known of the words that a program prints. */
function outputOf({ name, args }: Program): string[] {
  if (name === 'echo' || name === 'printf') return spoken(args).split(/\s+/);
  if (name === 'find' || name === 'ls')
    return args.slice(
      0,
      Math.max(
        1,
        args.findIndex((arg) => arg.startsWith('-')),
      ),
    );
  return [];
}

function spoken(args: string[]): string {
  return args
    .filter((arg) => !/^-[neE]+$/.test(arg))
    .join(' ')
    .replaceAll('\\n', '\n');
}

export function quote(word: string): string {
  return /^[\w@%+=:,./~$*-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).replace(/\.exe$/i, '');
}
