/**
 * Reads a shell command line the way a shell would, without running any of it: quotes, escapes, pipelines, groups,
 * substitutions, here-documents, and variables that the line itself sets. What can't be known stays as it was written.
 */

/** One simple command of a line. */
export interface Command {
  /** The words, quotes removed. `$(…)` stands for a substitution. A quoted leading `~` (no home folder) becomes `./~`. */
  words: string[];
  redirects: Redirect[];
  /** The commands whose output is its standard input. */
  feeds: Command[];
  /** The commands within its words: `$(…)`, `` `…` ``, `<(…)`. */
  inner: Command[];
  /** The function that it is part of. */
  inFunction?: string;
}

export interface Redirect {
  /** `>`, `>>`, `<`, `<<` (a here-document) or `<<<`. */
  op: string;
  /** A file, or for `<<` and `<<<` the text itself. */
  target: string;
}

export interface Script {
  commands: Command[];
  /** It was nested too deeply, or too long, to be read to the end. */
  isUnclear: boolean;
}

/** Stands in a word for what a substitution prints. */
export const SUBSTITUTION = '$(…)';

const MAX_DEPTH = 16;
const MAX_LENGTH = 128 * 1024;
/** Words and commands together, over all levels. */
const MAX_WORDS = 5_000;
const MAX_VALUE = 4_096;
const MAX_EXPANSIONS = 256;

/** Words that open a group at the start of a command, that close one, and that stand between. */
const OPENERS = new Set(['{', 'if', 'while', 'until', 'case', 'for', 'select']);
const CLOSERS = new Set(['}', 'fi', 'done', 'esac']);
const BETWEEN = new Set(['then', 'else', 'elif', 'do', '!', 'time', 'coproc', 'in']);

/** Marks for what was written without quotes, so that braces expand only where a shell would expand them. */
const OPEN = '\uE000';
const COMMA = '\uE001';
const CLOSE = '\uE002';

interface Group {
  kind: string;
  firstCommand: number;
  feeds: Command[];
  inFunction: string | undefined;
}

export function parse(line: string): Script {
  if (line.length > MAX_LENGTH) return { commands: [], isUnclear: true };
  const budget = { words: MAX_WORDS, isUnclear: false };
  const commands = new Reader(line, 0, new Map(), budget).script();
  return { commands, isUnclear: budget.isUnclear };
}

class Reader {
  private at = 0;
  private readonly commands: Command[] = [];
  private readonly groups: Group[] = [];
  private readonly pendingBodies: { redirect: Redirect; end: string; isQuoted: boolean; owner: Command }[] = [];
  private current: Command | undefined;
  private feeds: Command[] = [];
  private stageStart = 0;
  private functionName: string | undefined;

  constructor(
    private readonly text: string,
    private readonly depth: number,
    private readonly variables: Map<string, string>,
    private readonly budget: { words: number; isUnclear: boolean },
  ) {}

  /** Reads until the end, or until the `)` that closes the substitution this reader was started for. */
  script(): Command[] {
    while (this.at < this.text.length && !this.budget.isUnclear) {
      const char = this.text[this.at]!;
      if (char === ' ' || char === '\t' || char === '\r') this.at += 1;
      else if (char === '\\' && this.text[this.at + 1] === '\n') this.at += 2;
      else if (char === '#') this.skipTo('\n');
      else if (char === '\n') this.newline();
      else if (char === '(') this.openParenthesis();
      else if (char === ')') {
        this.endCommand();
        if (this.groups.at(-1)?.kind === '(') this.closeGroup();
        this.at += 1;
      } else if (char === '|' && this.text[this.at + 1] !== '|') this.pipe();
      else if (char === '&' && this.text[this.at + 1] === '>') this.redirect('');
      else if (char === ';' || char === '&' || char === '|') this.separator();
      else if ((char === '<' || char === '>') && this.text[this.at + 1] !== '(') this.redirect('');
      else this.word();
    }
    this.endCommand();
    return this.commands;
  }

  private newline(): void {
    this.endCommand();
    this.feeds = [];
    this.at += 1;
    for (const { redirect, end, isQuoted, owner } of this.pendingBodies.splice(0)) {
      const lines: string[] = [];
      while (this.at < this.text.length) {
        const start = this.at;
        this.skipTo('\n');
        const line = this.text.slice(start, this.at);
        this.at += 1;
        if (line.replace(/^\t+/, '') === end) break;
        lines.push(line);
      }
      redirect.target = lines.join('\n');
      if (!isQuoted && /[$`]/.test(redirect.target))
        owner.inner.push(...this.nested(`: "${redirect.target.replaceAll('"', '\\"')}"`));
    }
  }

  private separator(): void {
    this.endCommand();
    this.feeds = [];
    while (this.at < this.text.length && ';&|'.includes(this.text[this.at]!)) this.at += 1;
  }

  private pipe(): void {
    this.endCommand();
    this.feeds = this.commands.slice(this.stageStart);
    this.at += this.text[this.at + 1] === '&' ? 2 : 1;
  }

  private openParenthesis(): void {
    const rest = /^\([ \t]*\)/.exec(this.text.slice(this.at, this.at + 64));
    if (rest && this.current?.words.length === 1) {
      this.functionName = this.current.words[0];
      this.current = undefined;
      this.at += rest[0].length;
      return;
    }
    this.endCommand();
    this.openGroup('(');
    this.at += 1;
  }

  private openGroup(kind: string): void {
    this.spend(1);
    const outer = this.groups.at(-1);
    this.groups.push({
      kind,
      firstCommand: this.commands.length,
      feeds: this.feeds.length > 0 ? this.feeds : (outer?.feeds ?? []),
      inFunction: this.functionName ?? outer?.inFunction,
    });
    this.functionName = undefined;
    this.feeds = [];
  }

  private closeGroup(): void {
    const group = this.groups.pop();
    if (group) this.stageStart = group.firstCommand;
    this.feeds = [];
  }

  private command(): Command {
    if (!this.current) {
      const group = this.groups.at(-1);
      this.current = {
        words: [],
        redirects: [],
        inner: [],
        feeds: this.feeds.length > 0 ? this.feeds : (group?.feeds ?? []),
      };
      if (group?.inFunction !== undefined) this.current.inFunction = group.inFunction;
    }
    return this.current;
  }

  private endCommand(): void {
    const command = this.current;
    this.current = undefined;
    if (!command) return;
    this.spend(1);
    for (const word of command.words) {
      const assignment = /^([A-Za-z_]\w*)=([^]*)$/.exec(word);
      if (!assignment) break;
      // A value that grows with every assignment (`a=$a$a`) is not followed.
      if (assignment[2]!.length <= MAX_VALUE) this.variables.set(assignment[1]!, assignment[2]!);
      else this.variables.delete(assignment[1]!);
    }
    const [first, name, second, ...values] = command.words;
    if (first === 'for' && name !== undefined && second === 'in') this.variables.set(name, values.join(' '));
    this.stageStart = this.commands.length;
    this.commands.push(command);
  }

  private spend(words: number): void {
    this.budget.words -= words;
    if (this.budget.words < 0) this.budget.isUnclear = true;
  }

  private redirect(descriptor: string): void {
    this.spend(1);
    const op = /^(?:&>>?|<<<|<<-?|>>|>\||>&|<&|<>|<|>)/.exec(this.text.slice(this.at, this.at + 3))![0];
    this.at += op.length;
    while (this.text[this.at] === ' ' || this.text[this.at] === '\t') this.at += 1;
    const command = this.command();
    const start = this.at;
    const target = this.readWord(command).join(' ');
    if (op.startsWith('<<') && op !== '<<<') {
      const redirect = { op: '<<', target: '' };
      command.redirects.push(redirect);
      this.pendingBodies.push({
        redirect,
        end: target,
        isQuoted: /['"\\]/.test(this.text.slice(start, this.at)),
        owner: command,
      });
    } else if (!(op.endsWith('&') && /^\d*-?$/.test(target)) && descriptor !== '-') {
      const kind = op === '<<<' ? op : op.includes('>>') ? '>>' : op.includes('>') ? '>' : '<';
      command.redirects.push({ op: kind, target });
    }
  }

  private word(): void {
    const command = this.command();
    const start = this.at;
    const words = this.readWord(command);
    if (this.at === start) this.at += 1; // A stray character: never stand still.
    const raw = this.text.slice(start, this.at);
    if (/^\d+$/.test(raw) && '<>'.includes(this.text[this.at] ?? ' ')) return this.redirect(raw);
    if (command.words.length === 0 && command.redirects.length === 0) {
      if (OPENERS.has(raw)) {
        this.current = undefined;
        this.openGroup(raw);
        if (raw !== 'for' && raw !== 'case' && raw !== 'select') return;
        this.command();
      } else if (CLOSERS.has(raw)) {
        this.current = undefined;
        return this.closeGroup();
      } else if (BETWEEN.has(raw)) {
        this.current = undefined;
        return;
      }
    }
    if (command.words.length === 1 && command.words[0] === 'function') {
      this.functionName = words[0];
      this.current = undefined;
      return;
    }
    this.spend(words.length);
    this.command().words.push(...words);
  }

  /** One word; several where the shell would split or expand it. */
  private readWord(owner: Command): string[] {
    const done: string[] = [];
    let text = '';
    let isWord = false;
    const start = this.at;
    for (; this.at < this.text.length;) {
      const char = this.text[this.at]!;
      if (' \t\r\n;&|'.includes(char)) break;
      if (char === '(' || char === ')') {
        // `a=(…)` and extended globs are part of a word; elsewhere a parenthesis ends it.
        if (char === '(' && /[=?*+@!]$/.test(text)) this.commandUpTo(')', owner);
        else break;
      } else if (char === '<' || char === '>') {
        if (this.text[this.at + 1] !== '(' || this.at !== start) break;
        this.at += 1;
        this.commandUpTo(')', owner);
        text += SUBSTITUTION;
      } else if (char === "'") {
        const end = this.indexOf("'", this.at + 1);
        text += quoted(text, this.text.slice(this.at + 1, end));
        this.at = end + 1;
      } else if (char === '"') {
        this.at += 1;
        text += quoted(text, this.doubleQuoted(owner));
      } else if (char === '\\') {
        if (this.text[this.at + 1] !== '\n') text += quoted(text, this.text[this.at + 1] ?? '');
        this.at += 2;
      } else if (char === '$' || char === '`') {
        const value = this.expansion(owner);
        const parts = value.split(/[ \t\n]+/);
        text += parts[0]!;
        for (const part of parts.slice(1)) {
          if (text !== '') done.push(text);
          text = part;
        }
      } else {
        text += char === '{' ? OPEN : char === '}' ? CLOSE : char === ',' ? COMMA : char;
        this.at += 1;
      }
      isWord = true;
    }
    if (isWord && (text !== '' || done.length === 0)) done.push(text);
    return done.flatMap(expandBraces).map(unmark);
  }

  private doubleQuoted(owner: Command): string {
    let text = '';
    while (this.at < this.text.length) {
      const char = this.text[this.at]!;
      if (char === '"') break;
      if (char === '\\' && '"\\$`\n'.includes(this.text[this.at + 1] ?? ' ')) {
        if (this.text[this.at + 1] !== '\n') text += this.text[this.at + 1];
        this.at += 2;
      } else if (char === '$' || char === '`') text += this.expansion(owner);
      else {
        text += char;
        this.at += 1;
      }
    }
    this.at += 1;
    return text;
  }

  /** `$…` or `` `…` `` at the place reached: the value where the line itself sets it, else as it was written. */
  private expansion(owner: Command): string {
    if (this.text[this.at] === '`') {
      const start = this.at + 1;
      this.at = start;
      while (this.at < this.text.length && this.text[this.at] !== '`') this.at += this.text[this.at] === '\\' ? 2 : 1;
      owner.inner.push(...this.nested(this.text.slice(start, this.at).replace(/\\([`\\$])/g, '$1')));
      this.at += 1;
      return SUBSTITUTION;
    }
    const next = this.text[this.at + 1] ?? '';
    if (next === '(') {
      this.at += 1;
      this.commandUpTo(')', owner);
      return SUBSTITUTION;
    }
    if (next === "'") {
      let end = this.at + 2;
      while (end < this.text.length && this.text[end] !== "'") end += this.text[end] === '\\' ? 2 : 1;
      const text = this.text.slice(this.at + 2, end);
      this.at = end + 1;
      return unescapeAnsi(text);
    }
    if (next === '{') {
      const end = this.closing(this.at + 1, '{', '}');
      const inside = this.text.slice(this.at + 2, end);
      this.at = end + 1;
      if (/\$\(|`/.test(inside)) owner.inner.push(...this.nested(inside));
      const [, name, fallback] = /^(\w+)(?::?[-=]([^]*))?/.exec(inside) ?? [];
      return (name === undefined ? undefined : this.variable(name)) ?? fallback ?? `\${${inside}}`;
    }
    const name = /^(?:[A-Za-z_]\w*|[\d@*#?$!-])/.exec(this.text.slice(this.at + 1, this.at + 129))?.[0];
    this.at += 1 + (name?.length ?? 0);
    if (name === undefined) return next === '"' ? '' : '$';
    return this.variable(name) ?? `$${name}`;
  }

  private variable(name: string): string | undefined {
    return name === 'IFS' ? ' ' : this.variables.get(name);
  }

  /** Reads `(…)` at the place reached as commands of its own. */
  private commandUpTo(close: string, owner: Command): void {
    const end = this.closing(this.at, '(', close);
    owner.inner.push(...this.nested(this.text.slice(this.at + 1, end)));
    this.at = end + 1;
  }

  private nested(text: string): Command[] {
    this.spend(1);
    if (this.depth >= MAX_DEPTH) this.budget.isUnclear = true;
    if (this.budget.isUnclear) return [];
    return new Reader(text, this.depth + 1, new Map(this.variables), this.budget).script();
  }

  /** Where the bracket at `from` is closed, quotes respected. */
  private closing(from: number, open: string, close: string): number {
    let level = 0;
    let isDoubleQuoted = false;
    for (let i = from; i < this.text.length; i += 1) {
      const char = this.text[i]!;
      if (char === '\\') i += 1;
      else if (char === '"') isDoubleQuoted = !isDoubleQuoted;
      else if (char === "'" && !isDoubleQuoted) i = this.indexOf("'", i + 1);
      else if (char === open) level += 1;
      else if (char === close && (level -= 1) === 0) return i;
    }
    return this.text.length;
  }

  private indexOf(char: string, from: number): number {
    const found = this.text.indexOf(char, from);
    return found < 0 ? this.text.length : found;
  }

  private skipTo(char: string): void {
    this.at = this.indexOf(char, this.at);
  }
}

function quoted(before: string, text: string): string {
  return before === '' && text.startsWith('~') ? `./${text}` : text;
}

function unmark(word: string): string {
  return word.replace(/[\uE000-\uE002]/g, (mark) => (mark === OPEN ? '{' : mark === CLOSE ? '}' : ','));
}

/** `a{b,c}d` → `abd`, `acd`; braces within braces from the inside out. Beyond a bound the rest stays as written. */
function expandBraces(word: string): string[] {
  const words = [word];
  for (let i = 0; i < words.length && words.length < MAX_EXPANSIONS;) {
    const match = /\uE000([^\uE000\uE002]*\uE001[^\uE000\uE002]*)\uE002/.exec(words[i]!);
    if (!match) {
      i += 1;
      continue;
    }
    const before = words[i]!.slice(0, match.index);
    const after = words[i]!.slice(match.index + match[0].length);
    if (before.length + after.length > MAX_VALUE) break;
    words.splice(
      i,
      1,
      ...match[1]!
        .split(COMMA)
        .slice(0, MAX_EXPANSIONS)
        .map((part) => before + part + after),
    );
  }
  return words;
}

const ESCAPES: Record<string, string> = { n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', e: '\x1b', f: '\f', v: '\v' };

function unescapeAnsi(text: string): string {
  return text.replace(
    /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|([0-7]{1,3})|([^]))/g,
    (_, hex, unicode, octal, char) => {
      if (octal !== undefined) return String.fromCharCode(parseInt(octal, 8));
      if (char !== undefined) return ESCAPES[char] ?? char;
      return String.fromCharCode(parseInt(hex ?? unicode, 16));
    },
  );
}
