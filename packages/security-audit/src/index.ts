import type { Plugin } from '@mimir/plugin';

import { globMatches, plantedAt, secretAt } from './paths.ts';
import { quote } from './program.ts';
import { redact } from './redact.ts';
import { inspect, type Finding, type Severity } from './rules.ts';

export interface Options {
  /** Command lines that are always let through; `*` is any run of characters. */
  allow: string[];
  /** Rules that are off, by name: `delete`, `secrets`, `force-push`, … */
  disabled: string[];
  /** From which severity on a call is blocked. What is less severe is logged. */
  blockFrom: Severity;
  /** Branches (globs) that must not be force-pushed or deleted. */
  protectedBranches: string[];
  /** Hosts (globs) to which files may be uploaded. */
  trustedHosts: string[];
  /** Whether keys and tokens are taken out of what tools return. Each time is logged. */
  redactResults: boolean;
}

const DEFAULTS: Options = {
  allow: [],
  disabled: [],
  blockFrom: 'high',
  protectedBranches: ['main', 'master', 'production', 'release', 'release/*'],
  trustedHosts: [],
  redactResults: true,
};

const SEVERITIES: Severity[] = ['low', 'medium', 'high', 'critical'];
const READERS = /read|view|cat|open|grep|search|glob|attach/i;
const WRITERS = /write|edit|create|patch|replace|append|move|rename|save/i;

const securityAudit: Plugin = async (ctx) => {
  const options: Options = { ...DEFAULTS, ...(ctx.config.options as Partial<Options> | undefined) };

  /** The worst thing about a command line that is to be blocked; what is less severe goes to the log. */
  const judge = (line: string): Finding | undefined => {
    if (options.allow.some((glob) => globMatches(glob, line.trim()))) return undefined;
    const findings = inspect(line, options).filter(({ rule }) => !options.disabled.includes(rule));
    return weigh(findings, line);
  };

  const weigh = (findings: Finding[], subject: string): Finding | undefined => {
    const from = SEVERITIES.indexOf(options.blockFrom);
    for (const { rule, severity, reason } of findings) {
      if (SEVERITIES.indexOf(severity) < from)
        ctx.log.warn(`${rule}: ${reason}`, { severity, subject: shorten(subject) });
    }
    return findings.find(({ severity }) => SEVERITIES.indexOf(severity) >= from);
  };

  /** A tool that takes a path instead of a command line. */
  const judgePath = (tool: string, path: string): Finding | undefined => {
    const findings: Finding[] = [];
    const secret = secretAt(path);
    if (secret && READERS.test(tool))
      findings.push({ rule: 'secrets', severity: 'high', reason: `reads ${secret} (${path})` });
    const planted = plantedAt(path);
    if (planted && WRITERS.test(tool))
      findings.push({ rule: 'persistence', severity: 'high', reason: `writes ${planted} (${path})` });
    return weigh(
      findings.filter(({ rule }) => !options.disabled.includes(rule)),
      path,
    );
  };

  return {
    on: {
      'tool.execute.before': async ({ tool, args }) => {
        const worst =
          commandLines(args).map(judge).find(Boolean) ??
          paths(args)
            .map((path) => judgePath(tool, path))
            .find(Boolean);
        if (worst) return { block: true, reason: explain(worst) };
      },

      'permission.ask': async ({ command, path, tool }) => {
        const worst = judge(command) ?? (path === undefined ? undefined : judgePath(tool ?? 'read or write', path));
        if (worst) return { allow: false, reason: explain(worst) };
      },

      'tool.execute.after': async ({ tool, result }) => {
        if (!options.redactResults) return;
        const { value, kinds } = redact(result);
        if (kinds.length === 0) return;
        ctx.log.warn(`removed from the result of ${tool}: ${kinds.join(', ')}`);
        return { result: value };
      },
    },
  };
};

export default securityAudit;

function explain({ rule, severity, reason }: Finding): string {
  return `this ${reason} [${severity}: ${rule}]`;
}

/** Every argument of a call that is a command line, whatever the tool calls it. */
function commandLines(args: unknown): string[] {
  if (args === null || typeof args !== 'object') return [];
  return ['command', 'cmd', 'script', 'commandLine'].flatMap((key) => {
    const value = (args as Record<string, unknown>)[key];
    if (typeof value === 'string') return [value];
    if (Array.isArray(value)) return [value.map((word) => quote(String(word))).join(' ')];
    return [];
  });
}

/** Every argument of a call that is a path. */
function paths(args: unknown): string[] {
  if (args === null || typeof args !== 'object') return [];
  const named = ['path', 'file', 'filePath', 'file_path', 'filename', 'target', 'destination', 'paths', 'files'];
  return named
    .flatMap((key) => (args as Record<string, unknown>)[key])
    .filter((value): value is string => typeof value === 'string');
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
