import type { ExecResult, MimirError, Plugin } from '@mimir/plugin';

import { FORMATTERS, type Project } from './formatters.ts';

export interface Options {
  /** Formatters that are not used, by name. */
  disabled: string[];
  /** Folders, anywhere in a path, whose files are left alone. */
  ignore: string[];
  /** For how long, in milliseconds, a change that no tool made counts as the formatter's own. */
  quietMs: number;
  /** Whether a failure is shown to the user. It is logged in any case. */
  notify: boolean;
}

const DEFAULTS: Options = {
  disabled: [],
  ignore: ['node_modules', 'vendor', '.git', 'dist', 'build', 'target'],
  quietMs: 2_000,
  notify: true,
};

const formatter: Plugin = async (ctx) => {
  const options: Options = { ...DEFAULTS, ...(ctx.config.options as Partial<Options> | undefined) };
  /** When each file was last formatted, by the events' clock. */
  const formattedAt = new Map<string, number>();

  /** Programs that are not on this machine, which is said once of each. */
  const missing = new Set<string>();

  const project: Project = {
    exists: (path) => ctx.fs.exists(path),
    read: async (path) => ((await ctx.fs.exists(path)) ? ctx.fs.readFile(path) : ''),
  };

  return {
    on: {
      'file.modified': async ({ path, tool, timestamp }) => {
        const file = withinProject(path, ctx.project.root);
        if (file === undefined || file.split('/').some((part) => options.ignore.includes(part))) return;

        // Our own writes come back as events where a file watcher raises them. They name no tool; the agent's writes do
        // and are always formatted.
        const last = formattedAt.get(file);
        if (tool === undefined && last !== undefined && timestamp - last < options.quietMs) return;

        const extension = /\.([^./]+)$/.exec(file)?.[1]?.toLowerCase();
        for (const { name, extensions, command } of FORMATTERS) {
          if (extension === undefined || !extensions.includes(extension) || options.disabled.includes(name)) continue;
          const argv = await command(file, project);
          if (!argv) continue;

          formattedAt.set(file, timestamp);
          const [program, ...args] = argv;
          let ran: ExecResult;
          try {
            ran = await ctx.exec(program!, args);
          } catch (error) {
            // What else keeps a program from running (it is too slow, say), Mimir reports.
            if ((error as MimirError).code !== 'NOT_FOUND') throw error;
            if (!missing.has(program!)) {
              missing.add(program!);
              const message = `${program} is not on this machine, so what it would format stays as it is`;
              ctx.log.info(message);
              if (options.notify) await ctx.notify(message);
            }
            return;
          }
          const { exitCode, stdout, stderr } = ran;
          if (exitCode === 0) {
            ctx.log.info(`${name} formatted ${file}`);
          } else {
            const message = `${name} could not format ${file}: ${firstLine(stderr || stdout) || `exit code ${exitCode}`}`;
            ctx.log.warn(message);
            if (options.notify) await ctx.notify(message);
          }
          return;
        }
      },
    },
  };
};

export default formatter;

/** The path from the project's root, or nothing if it leads out of it. Never one that reads as an option. */
function withinProject(path: string, root: string): string | undefined {
  const inside = path.startsWith(`${root}/`) ? path.slice(root.length + 1) : path;
  if (inside.startsWith('/') || /^[A-Za-z]:[\\/]/.test(inside) || inside.split('/').includes('..')) return undefined;
  const plain = inside.replace(/^(?:\.\/)+/, '');
  return plain.startsWith('-') ? `./${plain}` : plain;
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]!.slice(0, 200);
}
